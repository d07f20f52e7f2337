use futures::future::join_all;
use testkit::assert_conforms;

/// The service that begins the sagas rightly refuses events of sagas that it has not begun: of it, other
/// tests tell.
#[tokio::test]
async fn every_service_conforms() {
    let services = declarations::fleet().services().iter();
    join_all(services.filter(|it| it.begins.is_none()).map(assert_conforms)).await;
}
