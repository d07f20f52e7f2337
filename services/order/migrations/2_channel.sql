-- Where an order came from. Older orders, and those of an older release that runs beside this one, came
-- from the web shop: it was the only one.
ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';
