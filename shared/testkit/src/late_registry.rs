use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde_json::json;
use stack::Connections;
use tokio::net::TcpListener;

/// The stack's registry, and a schema in it that is registered late.
#[derive(Clone)]
pub struct LateRegistry {
    /// Its base URL.
    pub url: String,
    behind: String,
    /// What is registered late.
    pub schema: Arc<String>,
    id: i32,
    registered: Arc<AtomicBool>,
}

impl LateRegistry {
    /// The id of that schema, one that the real registry gives to nobody.
    pub const ID: i32 = 2_000_000_001;

    /// In front of the stack's; it lives as long as the test.
    pub async fn start(stack: &Connections, schema: String) -> Self {
        Self::with_id(stack, Self::ID, schema).await
    }

    /// The same with another id; one that the real registry has given belongs to another schema.
    pub async fn with_id(stack: &Connections, id: i32, schema: String) -> Self {
        let (origin, path) = stack.schema_registry_url.split_once("/apis").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let late = Self {
            url: format!("http://{}/apis{path}", listener.local_addr().unwrap()),
            behind: origin.to_owned(),
            schema: Arc::new(schema),
            id,
            registered: Arc::default(),
        };
        let router = Router::new().fallback(Self::answer).with_state(late.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        late
    }

    /// From now on the schema is there.
    pub fn register(&self) {
        self.registered.store(true, Ordering::Relaxed);
    }

    async fn answer(
        State(late): State<Self>,
        method: Method,
        uri: Uri,
        body: Bytes,
    ) -> (StatusCode, String) {
        if uri.path().ends_with(&format!("/schemas/ids/{}", late.id)) {
            if late.registered.load(Ordering::Relaxed) {
                return (StatusCode::OK, json!({"schema": *late.schema}).to_string());
            }
            let missing = json!({"error_code": 40403, "message": "not found"});
            return (StatusCode::NOT_FOUND, missing.to_string());
        }
        let http = reqwest::Client::new();
        let request = http.request(method, format!("{}{uri}", late.behind)).body(body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}
