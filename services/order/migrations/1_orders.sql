-- What is for sale, and at which price.
CREATE TABLE products (
    sku      text   NOT NULL PRIMARY KEY,
    name     text   NOT NULL,
    amount   bigint NOT NULL CHECK (amount >= 0),
    currency text   NOT NULL
);

-- The orders. The recipient is not here: personal data is in the event OrderPlaced alone. status and
-- cancel_reason are what the state says, for lists and for whoever looks. The defaults are those of a
-- void marker: of an order that was never placed here, and that an operator had undone.
CREATE TABLE orders (
    saga            uuid        NOT NULL PRIMARY KEY,
    version         integer     NOT NULL,
    emitted         integer     NOT NULL,
    last_bundle     bigint,
    seen            json        NOT NULL DEFAULT '{}',
    state           json        NOT NULL,
    status          text        NOT NULL GENERATED ALWAYS AS (state->>'status') STORED
        CHECK (status IN ('placed', 'shipped_ahead', 'confirmed', 'completed', 'cancelled')),
    cancel_reason   text        GENERATED ALWAYS AS (state->>'reason') STORED
        CHECK ((cancel_reason IS NOT NULL) = (status = 'cancelled')),
    customer_id     text        NOT NULL DEFAULT '',
    lines           json        NOT NULL DEFAULT '[]',
    total           bigint      NOT NULL DEFAULT 0,
    currency        text        NOT NULL DEFAULT 'XXX',
    -- The request that placed it, so that the same request again gets the same answer.
    idempotency_key text        NOT NULL UNIQUE DEFAULT gen_random_uuid()::text,
    request_hash    bytea       NOT NULL DEFAULT '',
    placed_at       timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deadline_at     timestamptz NOT NULL DEFAULT now(),
    -- Its OrderPlaced, and what that carries on: the cause of a cancellation when time is up.
    placed_event_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    correlation_id  text        NOT NULL DEFAULT '',
    traceparent     text
) WITH (fillfactor = 50,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);

CREATE INDEX orders_by_customer ON orders (customer_id, saga);

-- Until when orders may wait for their payment: a row per transaction that placed some, for they have
-- the same time. It is looked at when the time has passed, and goes when none of its orders waits any
-- more. Not a column of the orders with an index: an index that has to do with their status would make
-- each change of status write all indexes (HOT updates need every indexed column to stay as it is).
CREATE TABLE deadlines (
    deadline_at timestamptz NOT NULL,
    bundle_id   bigint      NOT NULL,
    sagas       uuid[]      NOT NULL,
    PRIMARY KEY (deadline_at, bundle_id)
);
ALTER TABLE deadlines ALTER sagas SET STORAGE EXTERNAL;
