//! The objectives: what is promised of the fleet, and how it is counted.
