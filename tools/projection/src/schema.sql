-- A generation of the read model, in a schema of its own. All of it follows from the topics.

-- The facts that steps and ways are told by, by name: a fleet may come to have others.
CREATE TABLE facts (number smallint PRIMARY KEY, name text NOT NULL UNIQUE);

-- The sets of facts that were said of orders.
CREATE TABLE ways (number int PRIMARY KEY, facts smallint[] NOT NULL UNIQUE);

-- How far the topics were read.
CREATE TABLE progress (
  topic text, partition int, next bigint NOT NULL, behind bigint NOT NULL,
  PRIMARY KEY (topic, partition)
);

-- One row. `as_of`: everything that was in the topics then was read.
CREATE TABLE reading (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  as_of timestamptz, looked_at timestamptz NOT NULL DEFAULT now(), trouble text,
  -- Records that the topics had forgotten before they were read.
  forgotten bigint NOT NULL DEFAULT 0
);
INSERT INTO reading DEFAULT VALUES;

-- A row per order, by day of its id, which is a UUIDv7.
CREATE TABLE orders (
  id uuid PRIMARY KEY, began timestamptz NOT NULL, moved timestamptz NOT NULL,
  way int NOT NULL, open boolean NOT NULL, reason text, total bigint, currency text,
  -- 23 bytes each: fact, sequence, time in milliseconds, partition, offset.
  steps bytea NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE orders_other PARTITION OF orders DEFAULT;
CREATE INDEX orders_by_way ON orders (way, id DESC);
CREATE INDEX orders_by_reason ON orders (reason, id DESC) WHERE reason IS NOT NULL;
CREATE INDEX orders_open ON orders (id DESC) INCLUDE (way, moved) WHERE open;

-- Orders that began in an hour, by way and reason. `took`: a count per bucket of durations, of those at rest.
CREATE TABLE counts (
  hour timestamptz, way int, reason text, currency text,
  orders bigint NOT NULL, total bigint NOT NULL, took bigint[],
  PRIMARY KEY (hour, way, reason, currency)
);

-- How long steps of orders at rest took, by the hour in which these began.
CREATE TABLE reactions (
  hour timestamptz, fact smallint, took bigint[] NOT NULL, PRIMARY KEY (hour, fact)
);

-- Events by the minute in which they were said.
CREATE TABLE flow (minute timestamptz, fact smallint, events bigint NOT NULL, PRIMARY KEY (minute, fact));

-- Two arrays of counts, added up.
CREATE FUNCTION added(a bigint[], b bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE AS
  'SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY n)
     FROM unnest(a, b) WITH ORDINALITY AS both_of(x, y, n)';
