//! The order service's API.

mod bodies;
mod checks;
mod list;
mod one;
mod place;
mod prefer;
mod products;

pub use checks::check_body;

use std::sync::Arc;
use std::time::Duration;

use messaging::{Handle, Pool, Purpose};
use runtime::AppContext;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::list::list_orders;
use self::one::{cancel_order, get_order};
use self::place::place_order;
use crate::client_rate::ClientRate;
use crate::placing::Placing;
use crate::waiters::Waiters;
use crate::{Order, deadline};

/// How long a statement of placing may take before its requests are told to come again.
const PLACING_LIMIT: Duration = Duration::from_secs(7);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Farandole: order",
        description = "Takes orders, tells how they fare, and keeps the catalogue."
    ),
    tags(
        (name = "orders", description = "What customers have ordered"),
        (name = "products", description = "What is for sale, and at which price"),
    )
)]
struct Description;

/// What requests are answered with.
#[derive(Clone)]
pub struct Api {
    pool: Pool,
    handle: Handle<Order>,
    placing: Placing,
    client_rate: ClientRate,
    waiters: Arc<Waiters>,
    shutdown: CancellationToken,
}

impl From<AppContext<Order>> for Api {
    fn from(context: AppContext<Order>) -> Self {
        deadline::watch(&context);
        let AppContext { service, settings, database, pool, handle, shutdown } = context;
        let placing = Placing::start(
            database.session(Purpose::new("placing").limited_to(PLACING_LIMIT)),
            &handle,
            Duration::from_millis(settings.place_linger_ms),
            Duration::from_secs(settings.order_deadline_s.into()),
        );
        let client_rate = ClientRate::new(settings.client_rate_max, settings.client_address_header);
        Self { pool, handle, placing, client_rate, waiters: service.waiters.clone(), shutdown }
    }
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    use self::list::__path_list_orders;
    use self::one::{__path_cancel_order, __path_get_order};
    use self::place::__path_place_order;

    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(cancel_order))
        .merge(products::routes())
}
