//! What all routes of all services have in common, added to the description of a service's own.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;
use utoipa::openapi::OpenApi;

use crate::problem::{FieldError, Problem};

const PROBLEM_JSON: &str = "application/problem+json";
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// To which operations an answer belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Every one.
    All,
    /// Those that change something.
    Changes,
    /// Those that read a body.
    Bodies,
    /// Those that say so themselves.
    Some,
}

/// The problems that are described the same wherever they occur, by status.
const PROBLEMS: [(&str, &str, Of, &str); 15] = [
    (
        "400",
        "BadRequest",
        Of::All,
        "A header, the path or the query is not as it has to be, or the body is \
      no JSON.",
    ),
    ("403", "CrossSiteRequest", Of::Changes, "A browser sends this for a page of another site."),
    ("404", "NotFound", Of::Some, "There is no such thing."),
    ("405", "MethodNotAllowed", Of::All, "Another method than those of this path."),
    ("408", "RequestTimeout", Of::Bodies, "The body did not arrive in time. It may be sent again."),
    (
        "412",
        "PreconditionFailed",
        Of::Some,
        "`If-Match` or `If-None-Match` is not met; nothing is changed.",
    ),
    ("413", "PayloadTooLarge", Of::Bodies, "The body is larger than 64 KiB."),
    ("414", "UriTooLong", Of::All, "The URI is longer than 8 KiB."),
    (
        "415",
        "UnsupportedMediaType",
        Of::Bodies,
        "The body is not said to be JSON, in UTF-8 and uncompressed.",
    ),
    ("421", "MisdirectedRequest", Of::All, "The service is not known under the name in `Host`."),
    (
        "422",
        "UnprocessableContent",
        Of::Some,
        "The body is JSON, but not what is wanted: `errors` says where \
      and why.",
    ),
    (
        "429",
        "TooManyRequests",
        Of::Some,
        "This client is too fast. It may come again after `Retry-After`.",
    ),
    (
        "431",
        "HeadersTooLarge",
        Of::All,
        "The request has more than 100 headers, or more than 16 KiB of them.",
    ),
    (
        "500",
        "InternalError",
        Of::All,
        "The service's own fault; the answer's `x-correlation-id` helps to \
      find it.",
    ),
    (
        "503",
        "Unavailable",
        Of::All,
        "The service cannot do it now. The same request may be sent again after \
      `Retry-After`, with the same `Idempotency-Key` if it has one: it may have been carried out.",
    ),
];

/// The one answer to what HTTP knows and this service does not.
const NOT_IMPLEMENTED: (&str, &str, Of, &str) =
    ("501", "NotImplemented", Of::All, "A `Transfer-Encoding` other than `chunked`.");

/// The description of a service's API: its own operations, what every request may be answered with, and
/// what every answer has.
pub(super) fn describe(openapi: &OpenApi) -> Value {
    // What utoipa has made can be written as JSON; if not, the tests see it at once.
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    document["info"]["contact"] = json!({"name": "Who runs this service"});
    document["servers"] = json!([{"url": "/", "description": "Where this description is from"}]);
    document["security"] = json!([]);
    for (path, item) in object(&mut document["paths"]) {
        let tag = path.split('/').nth(1).unwrap_or_default();
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                operation["tags"] = json!([tag]);
                parameters(operation);
                answers(operation, method);
            }
        }
    }
    components(object(&mut document["components"]));
    document
}

/// What an API can be asked: methods, paths and the statuses of the answers.
pub(crate) fn operations(openapi: &OpenApi) -> Vec<(String, String, Vec<String>)> {
    let mut document = describe(openapi);
    let mut found = Vec::new();
    for (path, item) in object(&mut document["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                let statuses = object(&mut operation["responses"]).keys().cloned().collect();
                found.push((method.to_uppercase(), path.clone(), statuses));
            }
        }
    }
    found
}

/// A JSON object, or an empty one in the place of nothing.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("it was made one above"),
    }
}

fn parameters(operation: &mut Value) {
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        for parameter in parameters.iter_mut() {
            not_null(&mut parameter["schema"]);
        }
        parameters.push(json!({"$ref": "#/components/parameters/x-correlation-id"}));
    }
}

/// What need not be there is not there, and never `null`: a path, a query and a header have no such thing.
fn not_null(schema: &mut Value) {
    let mut options = schema["oneOf"].as_array().into_iter().flatten();
    if let Some(option) = options.find(|option| option["type"] != "null").cloned() {
        *schema = option;
    } else if let Some([kind, _]) = schema["type"].as_array().map(Vec::as_slice) {
        schema["type"] = kind.clone();
    }
    if let Some(members) = schema.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
}

fn answers(operation: &mut Value, method: &str) {
    let has_body = operation.get("requestBody").is_some();
    let answers = object(&mut operation["responses"]);
    for (status, name, of, _) in PROBLEMS.into_iter().chain([NOT_IMPLEMENTED]) {
        let belongs = match of {
            Of::All => true,
            Of::Changes => method != "get",
            Of::Bodies => has_body,
            Of::Some => false,
        };
        if belongs && !answers.contains_key(status) {
            let reference = format!("#/components/responses/{name}");
            answers.insert(status.to_owned(), json!({"$ref": reference}));
        }
    }
    for (status, answer) in answers {
        if answer.get("$ref").is_none() {
            complete(status, answer);
        }
    }
}

/// Gives an answer the headers that all of its status have, and a problem its media type.
fn complete(status: &str, answer: &mut Value) {
    let headers = object(&mut answer["headers"]);
    let mut add = |name: &str| {
        headers.insert(name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    };
    add("x-correlation-id");
    match status {
        "405" => add("Allow"),
        "429" | "503" => add("Retry-After"),
        _ => {}
    }
    if status >= "400" {
        let problem = json!({"schema": {"$ref": "#/components/schemas/Problem"}});
        answer["content"] = json!({PROBLEM_JSON: problem});
    }
}

fn components(components: &mut Map<String, Value>) {
    let schemas = object(components.entry("schemas").or_insert_with(|| json!({})));
    for (name, schema) in [("Problem", Problem::schema()), ("FieldError", FieldError::schema())] {
        schemas.insert(name.to_owned(), serde_json::to_value(schema).unwrap_or_default());
    }
    let answers = object(components.entry("responses").or_insert_with(|| json!({})));
    for (status, name, _, description) in PROBLEMS.into_iter().chain([NOT_IMPLEMENTED]) {
        let mut answer = json!({"description": description});
        complete(status, &mut answer);
        answers.insert(name.to_owned(), answer);
    }
    let correlation = "Names a chain of requests and events in logs and events: as the request had it, if \
        it was 1 to 128 visible ASCII characters, and a new one otherwise.";
    components.insert(
        "headers".to_owned(),
        json!({
            "x-correlation-id": {
                "required": true,
                "description": correlation,
                "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
            },
            "Retry-After": {
                "required": true,
                "description": "After how many seconds the request may be sent again.",
                "schema": {"type": "integer", "minimum": 1},
            },
            "Allow": {
                "required": true,
                "description": "The methods of this path, comma-separated.",
                "schema": {"type": "string"},
            },
        }),
    );
    components.insert(
        "parameters".to_owned(),
        json!({
            "x-correlation-id": {
                "name": "x-correlation-id",
                "in": "header",
                "description": correlation,
                "schema": {"type": "string"},
            },
        }),
    );
}
