//! The listener.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::HttpLimits;
use super::seats::{Seat, Seats};

/// Who is at the other end of a request's connection: the client, or a proxy. An extension of every
/// request.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddress(pub SocketAddr);

/// Accepting fails when file descriptors run out; some come back in this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// While all connections are at work, it is looked this often for one that is not any more.
const LOOK_FOR_ROOM: Duration = Duration::from_millis(20);

/// What an answered client may go on sending before its connection is closed for good. Closing at
/// once would reset the connection, and the client might lose the answer with it.
const LINGER_BYTES: u64 = 1024 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// hyper reads this many times what a head may have, so that one which is a little too large gets a
/// problem as an answer, and not just a status.
const HEAD_SLACK: usize = 2;

/// Serves HTTP/1.1 until `shutdown`: then it accepts nothing more, closes idle connections, and
/// lets the requests under way finish, for at most [`HttpLimits::drain_timeout`].
///
/// When there are as many connections as there may be, a new one takes the place of the one that has
/// been open for longest without a request, or else has been idle for longest; while all are at work
/// it waits.
///
/// A request that is to change something is carried through also when its client has gone: who
/// sends an order and hangs up has sent an order. One that only asks ends with its connection. A client
/// that only says that it will send nothing more (a half-closed connection) still gets its answer.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    limits: HttpLimits,
) {
    let mut connections = JoinSet::new();
    let seats = Seats::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let room = make_room(&mut connections, &seats, limits.connections);
                    if shutdown.run_until_cancelled(room).await.is_none() {
                        break;
                    }
                    let (router, shutdown) = (router.clone(), shutdown.clone());
                    let seat = seats.take();
                    connections.spawn(connection(stream, peer, router, shutdown, limits, seat));
                }
                Err(error) => refused(&error).await,
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests cut off: they took too long");
        connections.shutdown().await;
    }
}

async fn make_room(connections: &mut JoinSet<()>, seats: &Seats, max: usize) {
    while connections.len() >= max {
        seats.free_one();
        // It has ended by then, or there was none that could be ended.
        let _ = tokio::time::timeout(LOOK_FOR_ROOM, connections.join_next()).await;
    }
}

async fn refused(error: &io::Error) {
    let by_client =
        matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
    if !by_client {
        tracing::warn!(%error, "cannot accept connections; are there enough file descriptors?");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
    limits: HttpLimits,
    seat: Seat,
) {
    // Answers are small and written whole, so holding them back would only cost time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY refused");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write_timeout));
    let at_work = seat.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddress(peer));
        let is_safe = request.method().is_safe();
        let work = at_work.work();
        let answer = router.clone().oneshot(request).map(|Ok(response)| {
            drop(work);
            response
        });
        // At once, not when first polled: hyper may see the client go before that.
        if is_safe { answer.map(Ok).boxed() } else { tokio::spawn(answer).boxed() }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(HEAD_SLACK * limits.header_bytes)
        .max_headers(HEAD_SLACK * limits.headers)
        .half_close(true)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let served = tokio::select! {
        served = poll_fn(|context| connection.poll_without_shutdown(context)) => served,
        () = seat.given_up() => {
            if !seat.has_worked() {
                return;
            }
            // Without the time to linger: somebody is waiting for the place.
            Pin::new(&mut connection).graceful_shutdown();
            let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
            return;
        }
        () = shutdown.cancelled() => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    match served {
        Ok(()) => linger(connection.into_parts().io.into_inner()).await,
        Err(error) => tracing::debug!(%error, "a connection broke off"),
    }
}

async fn linger(mut stream: Pin<Box<TimeoutStream<TcpStream>>>) {
    let goodbye = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // Whether the client hears it is not known, and nothing follows from it.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, goodbye).await;
}
