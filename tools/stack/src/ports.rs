use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::error::Error;

/// Below the ports the system gives to outgoing connections: a client that keeps knocking at a
/// stopped part must not get the part's own port as its source.
const RANGE: Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 200;
/// How often a part is started anew because somebody took a port between choice and use.
pub(crate) const PORT_ATTEMPTS: usize = 3;

/// The ports of one part on 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// What clients connect to.
    pub(crate) main: u16,
    /// The Kafka controller's or the registry's management port.
    pub(crate) side: u16,
    /// What clients are told to connect to: the main one, unless there is a proxy before it.
    pub(crate) advertised: u16,
}

impl Ports {
    /// Free ports as of now, with `fixed` as the main one if given.
    pub(crate) fn pick(fixed: Option<u16>) -> Result<Self, Error> {
        let side = free_port()?;
        loop {
            let main = fixed.map_or_else(free_port, Ok)?;
            if main != side {
                return Ok(Self { main, side, advertised: main });
            }
        }
    }

    pub(crate) fn are_free(self) -> bool {
        is_free(self.main) && is_free(self.side)
    }
}

pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free_port() -> Result<u16, Error> {
    let mut candidates = (0..ATTEMPTS).map(|_| fastrand::u16(RANGE));
    candidates.find(|port| is_free(*port)).ok_or(Error::NoFreePort)
}
