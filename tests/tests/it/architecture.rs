//! The architecture, as rules over the workspace and over what the services declare. Each rule is
//! a function that lists what breaks it, and is shown to bite.

mod choreography;
mod files;
mod names;
mod packages;

pub(crate) use choreography::reads;
