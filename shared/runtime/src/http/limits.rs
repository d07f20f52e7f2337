use std::time::Duration;

/// How much and how long a client may ask for.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Bytes of a request's body, 64 KiB by default: the largest honest order has a few hundred
    /// lines and takes about 30 KiB.
    pub body_bytes: usize,
    /// Time for the whole body to arrive, 10 s by default: 64 KiB pass any usable line in that.
    pub body_read_timeout: Duration,
    /// Time to answer a request, 75 s by default: a long poll may ask for 60 s (`Prefer: wait=60`)
    /// and the database gets a share on top.
    pub request_timeout: Duration,
    /// Time for a request's head to arrive, 10 s by default, so that slow clients cannot hold the
    /// connections. It counts from the answer before: an idle connection is closed after it too.
    pub header_read_timeout: Duration,
    /// Bytes of a request's headers, 16 KiB by default: room for cookies and long traces.
    pub header_bytes: usize,
    /// Headers of a request, 100 by default.
    pub headers: usize,
    /// Bytes of a request's URI, 8 KiB by default: what RFC 9110 (4.1) asks for at least.
    pub uri_bytes: usize,
    /// Time without progress in writing an answer, 10 s by default: who asks and doesn't read
    /// cannot hold the connections either.
    pub write_timeout: Duration,
    /// Open connections, 4096 by default: each costs a file descriptor and some 20 KiB. See [`serve`](super::serve)
    /// for what becomes of further ones.
    pub connections: usize,
    /// Time for requests under way to finish at shutdown, 5 s by default: half of what the whole
    /// service has.
    pub drain_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(75),
            header_read_timeout: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            headers: 100,
            uri_bytes: 8 * 1024,
            write_timeout: Duration::from_secs(10),
            connections: 4096,
            drain_timeout: Duration::from_secs(5),
        }
    }
}
