//! The order service's API.

mod bodies;
mod checks;
mod list;
mod one;
mod place;
mod prefer;
mod products;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
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
use crate::{Order, Program};

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

#[derive(Clone)]
struct Api {
    pool: Pool,
    handle: Handle<Order>,
    placing: Placing,
    client_rate: ClientRate,
    waiters: Arc<Waiters>,
    shutdown: CancellationToken,
}

fn routes() -> OpenApiRouter<Api> {
    use self::list::__path_list_orders;
    use self::one::{__path_cancel_order, __path_get_order};
    use self::place::__path_place_order;

    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(place_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(cancel_order))
        .merge(products::routes())
}

pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

pub(crate) fn router(context: AppContext<Program>) -> Router {
    let placing = Placing::start(
        context.database.session(Purpose::new("placing").limited_to(PLACING_LIMIT)),
        &context.handle,
        Duration::from_millis(context.settings.place_linger_ms),
        Duration::from_secs(context.settings.order_deadline_s.into()),
    );
    let settings = context.settings;
    let client_rate = ClientRate::new(settings.client_rate_max, settings.client_address_header);
    let api = Api {
        pool: context.pool,
        handle: context.handle,
        placing,
        client_rate,
        waiters: context.service.waiters.clone(),
        shutdown: context.shutdown,
    };
    let (router, _) = routes().split_for_parts();
    router.with_state(api)
}
