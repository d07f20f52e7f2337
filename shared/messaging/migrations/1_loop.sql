-- What every service's database holds for the loop: who runs, what was seen, what is to be said,
-- what is to be done outside, and what could not be processed yet.

-- Undoes the statement that calls it, as a conflict with another transaction: what the statement
-- found is not what was decided on.
CREATE FUNCTION conflict() RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    RAISE serialization_failure USING MESSAGE = 'the rows are not as they were when they were read';
END $$;

-- Numbers the running instances. An instance holds an advisory lock on its number while it lives,
-- so that others can tell whose outbox rows have been left behind.
CREATE SEQUENCE instance_numbers AS integer CYCLE;

-- The events whose effect is in this database. UUIDv7 ids grow with time, so a partition per day
-- is a range of ids, and a day is forgotten by dropping its partition.
CREATE TABLE inbox (
    event_id uuid NOT NULL PRIMARY KEY
) PARTITION BY RANGE (event_id);
CREATE TABLE inbox_other PARTITION OF inbox DEFAULT;

-- The redriven dead letters that have passed, by their redrive ids. A letter can be as old as it
-- likes, so these are forgotten by when they passed, and not by the time in their ids.
CREATE TABLE redriven (
    redrive_id      uuid        NOT NULL PRIMARY KEY,
    passed_at       timestamptz NOT NULL DEFAULT now()
);

-- Committed events that are not known to be in the log yet. A row is a bundle: all events that one
-- transaction has emitted, an array per column, so that what is to be written and deleted does not
-- grow with their number. Rows live for milliseconds; compressing them would be in vain. instance is
-- the one that has to publish it. follows says for each event which bundle has the order's event
-- before it, if another has: no event goes out before that one has.
CREATE TABLE outbox_bundles (
    bundle_id       bigint        NOT NULL PRIMARY KEY,
    instance        integer       NOT NULL,
    committed_at    timestamptz   NOT NULL DEFAULT now(),
    event_ids       uuid[]        NOT NULL,
    sagas           uuid[]        NOT NULL,
    sequences       integer[]     NOT NULL,
    event_types     text[]        NOT NULL,
    times           timestamptz[] NOT NULL,
    correlation_ids text[]        NOT NULL,
    causation_ids   text[]        NOT NULL,
    traceparents    text[]        NOT NULL,
    payloads        bytea[]       NOT NULL,
    follows         bigint[]      NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
ALTER TABLE outbox_bundles
    ALTER event_ids SET STORAGE EXTERNAL,
    ALTER sagas SET STORAGE EXTERNAL,
    ALTER sequences SET STORAGE EXTERNAL,
    ALTER event_types SET STORAGE EXTERNAL,
    ALTER times SET STORAGE EXTERNAL,
    ALTER correlation_ids SET STORAGE EXTERNAL,
    ALTER causation_ids SET STORAGE EXTERNAL,
    ALTER traceparents SET STORAGE EXTERNAL,
    ALTER payloads SET STORAGE EXTERNAL,
    ALTER follows SET STORAGE EXTERNAL;

-- The same, an event a row: for reading.
CREATE VIEW outbox AS
    SELECT event.*, instance, bundle_id
    FROM outbox_bundles, unnest(event_ids, sagas, sequences, event_types, times,
            correlation_ids, causation_ids, traceparents, payloads, follows)
        AS event (event_id, saga, sequence, event_type, occurred_at,
            correlation_id, causation_id, traceparent, payload, follows);

-- Calls to the outside that are to be made: the intent is here before the call is. A row is a bundle,
-- as in the outbox: the calls that one transaction intends. open has a bit for each of them, 1 while
-- its outcome is not known. (order, step) is the idempotency key that the provider is given. due_at is
-- when somebody should look at it again: the end of a lease while an instance works on it, or of a
-- backoff. A call that is put off gets a bundle of its own. One that is held is not made: parked, until
-- an operator says otherwise; given_up, unless an operator has it made again.
CREATE TABLE effect_bundles (
    bundle_id       bigint      NOT NULL PRIMARY KEY,
    instance        integer     NOT NULL,
    open            bit varying NOT NULL,
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    -- Why the last try had no outcome, or its outcome could not be taken.
    last_error      text,
    held            text        CHECK (held IN ('parked', 'given_up')),
    -- Who answers, as far as that was noted when it was put off.
    destination     text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    sagas           uuid[]      NOT NULL,
    steps           text[]      NOT NULL,
    effects         json[]      NOT NULL,
    correlation_ids text[]      NOT NULL,
    causation_ids   text[]      NOT NULL,
    traceparents    text[]      NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
ALTER TABLE effect_bundles
    ALTER sagas SET STORAGE EXTERNAL,
    ALTER steps SET STORAGE EXTERNAL,
    ALTER effects SET STORAGE EXTERNAL,
    ALTER correlation_ids SET STORAGE EXTERNAL,
    ALTER causation_ids SET STORAGE EXTERNAL,
    ALTER traceparents SET STORAGE EXTERNAL;

-- The same, an open call a row: for reading.
CREATE VIEW effects AS
    SELECT saga, step, effect, correlation_id, causation_id, traceparent,
        bundle_id, number::integer - 1 AS number, length(open) AS bundled,
        instance, attempts, due_at, last_error, held, destination, created_at
    FROM effect_bundles, unnest(sagas, steps, effects, correlation_ids, causation_ids,
            traceparents)
        WITH ORDINALITY
        AS call (saga, step, effect, correlation_id, causation_id, traceparent, number)
    WHERE get_bit(open, number::integer - 1) = 1;

-- Records that failed, and those of the same order that came after them. The first row of an
-- order is tried when due; the others wait behind it. dead rows are on their way to the
-- dead-letter topic. What tells a record from all others is its place and when it was written, in
-- milliseconds since 1970 (-1: it does not say): a topic that is made anew begins again at offset 0.
-- payload_cut is how many bytes the payload has, if not all of it is here. A dead row that is due at
-- infinity has its letter in the dead-letter topic; the payload was too large for that.
CREATE TABLE retry_queue (
    id              bigint      GENERATED ALWAYS AS IDENTITY,
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    record_offset   bigint      NOT NULL,
    saga            uuid,
    key             bytea,
    header_names    text[]      NOT NULL,
    header_values   bytea[]     NOT NULL,
    payload         bytea,
    payload_cut     bigint,
    attempts        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    dead            boolean     NOT NULL DEFAULT false,
    first_failed_at timestamptz,
    last_failed_at  timestamptz,
    errors          text[]      NOT NULL DEFAULT '{}',
    written_ms      bigint      NOT NULL DEFAULT -1,
    PRIMARY KEY (topic, partition, record_offset, written_ms)
);
CREATE INDEX retry_queue_by_saga ON retry_queue (saga, id) WHERE NOT dead;

-- Which records have gone to the dead-letter topic, so that one that is read again after a crash
-- does not go there twice.
CREATE TABLE dead_lettered (
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    record_offset   bigint      NOT NULL,
    dead_at         timestamptz NOT NULL DEFAULT now(),
    written_ms      bigint      NOT NULL DEFAULT -1,
    PRIMARY KEY (topic, partition, record_offset, written_ms)
);

-- Numbers missing in an order's streams: a later event of the same source has come, this one has
-- not. A row goes when its event comes. waiting: it may be on its way, or the topic is yet to be
-- searched; lost: the topic does not have it; dead: it is in the dead-letter topic; acknowledged: it is
-- lost or dead, and an operator has said that it stays so.
CREATE TABLE gaps (
    saga            uuid        NOT NULL,
    source          text        NOT NULL,
    sequence        integer     NOT NULL,
    partition       integer     NOT NULL,
    noticed_at      timestamptz NOT NULL DEFAULT now(),
    verdict         text        NOT NULL DEFAULT 'waiting'
        CHECK (verdict IN ('waiting', 'lost', 'dead', 'acknowledged')),
    checked_at      timestamptz,
    PRIMARY KEY (saga, source, sequence)
);

-- Where the partitions of the topics that are read ended when somebody last looked. An end that goes
-- back is another topic's.
CREATE TABLE topic_ends (
    topic           text        NOT NULL,
    partition       integer     NOT NULL,
    log_end         bigint      NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- The numbers of which an operator has said that they stay missing.
CREATE TABLE acknowledged (
    saga            uuid        NOT NULL,
    source          text        NOT NULL,
    sequence        integer     NOT NULL,
    PRIMARY KEY (saga, source, sequence)
);

-- What operators have decided that this service has dealt with: a call of an order, or the order (step
-- ''). refused says why nothing was done; null if it was.
CREATE TABLE decisions (
    operation       uuid        NOT NULL,
    saga            uuid        NOT NULL,
    step            text        NOT NULL,
    refused         text,
    decided_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operation, saga, step)
);

-- When the service joined the fleet. Of sagas that began before, the topics may have forgotten the
-- beginning.
CREATE TABLE first_day (
    at              timestamptz NOT NULL DEFAULT now()
);
INSERT INTO first_day DEFAULT VALUES;
