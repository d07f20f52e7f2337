-- One row per order: its state as JSON. version guards against two instances at once; emitted and
-- last_bundle are the order's place in this service's stream of events; seen says which events of
-- the order were read, by source, as bits.
CREATE TABLE shipments (
    saga       uuid    NOT NULL PRIMARY KEY,
    version    integer NOT NULL,
    emitted    integer NOT NULL,
    last_bundle bigint,
    seen       json   NOT NULL DEFAULT '{}',
    state      json   NOT NULL
) WITH (fillfactor = 50,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
