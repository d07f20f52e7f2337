-- Where the pieces of each SKU are. received is all that was ever put on hand, and the check says
-- that none is lost or made up.
CREATE TABLE stock (
    sku       text   NOT NULL PRIMARY KEY,
    available bigint NOT NULL CHECK (available >= 0),
    reserved  bigint NOT NULL CHECK (reserved >= 0),
    shipped   bigint NOT NULL CHECK (shipped >= 0),
    received  bigint NOT NULL,
    CHECK (available + reserved + shipped = received)
) WITH (fillfactor = 50,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);

-- By how many pieces stock was adjusted by hand, under the key of the request, and the level right after
-- that: what the same request is answered with again. It is also the record of what was adjusted when.
CREATE TABLE stock_adjustments (
    idempotency_key text        NOT NULL PRIMARY KEY,
    sku             text        NOT NULL,
    delta           bigint      NOT NULL,
    available       bigint      NOT NULL,
    reserved        bigint      NOT NULL,
    shipped         bigint      NOT NULL,
    made_at         timestamptz NOT NULL DEFAULT now()
);

-- One row per order: its state as JSON. version guards against two instances at once; emitted and
-- last_bundle are the order's place in this service's stream of events; seen says which events of
-- the order were read, by source, as bits.
CREATE TABLE reservations (
    saga       uuid    NOT NULL PRIMARY KEY,
    version    integer NOT NULL,
    emitted    integer NOT NULL,
    last_bundle bigint,
    seen       json   NOT NULL DEFAULT '{}',
    state      json   NOT NULL
) WITH (fillfactor = 50,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
