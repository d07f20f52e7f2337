//! `farandole contracts`, in a copy of this tree, with stand-ins for the registry and the services.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::{Run, output};

const CHARGED: &str = "schemas/payment/PaymentCharged.v1.avsc";
const RESERVED: &str = "schemas/inventory/StockReserved.v1.avsc";

/// A copy of what the check looks at, committed.
fn tree() -> TempDir {
    let (root, copy) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), tempfile::tempdir().unwrap());
    let all =
        git(&root, &["ls-files", "schemas", "services/*/reads/*", "services/*/declaration.json"]);
    for file in all.lines() {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root.join(file), to).unwrap();
    }
    git(copy.path(), &["init", "--quiet"]);
    git(copy.path(), &["add", "--all"]);
    let author = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let commit = ["commit", "--quiet", "--no-gpg-sign", "--message", "as released"];
    git(copy.path(), &[&author[..], &commit].concat());
    copy
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let done = Process::new("git").arg("-C").arg(directory).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn farandole(directory: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farandole"));
    command.current_dir(directory).args(arguments);
    output(command).await
}

/// Changes a JSON file of the tree.
fn edit(directory: &Path, from: &str, to: &str, change: impl Fn(&mut Value)) {
    let text = fs::read_to_string(directory.join(from)).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    change(&mut json);
    fs::write(directory.join(to), serde_json::to_string_pretty(&json).unwrap()).unwrap();
}

fn without_field(schema: &mut Value, name: &str) {
    schema["fields"].as_array_mut().unwrap().retain(|field| field["name"] != name);
}

/// Answers GET requests by their paths with JSON, and what it does not know with 404.
async fn server(answer: impl Fn(&str) -> Option<Value> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 16 * 1024];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match answer(path) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", json!({"error_code": 40401, "message": "not found"})),
            };
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn a_tree_is_checked_and_so_is_what_is_built_in() {
    let tree = tree();
    farandole(tree.path(), &["contracts", "check"]).await.exits(0).says("0 broken");
    let elsewhere = tempfile::tempdir().unwrap();
    farandole(elsewhere.path(), &["contracts", "check"]).await.exits(0).says("0 broken");
    let named = elsewhere.path().to_str().unwrap();
    farandole(tree.path(), &["contracts", "check", "--tree", named])
        .await
        .exits(2)
        .says("schemas/");
    let against = ["contracts", "check", "--against", "git:HEAD"];
    farandole(elsewhere.path(), &against).await.exits(2).says("--tree");
}

#[tokio::test]
async fn what_breaks_a_reader_is_told_in_all_formats() {
    let tree = tree();
    let v2 = RESERVED.replace("v1", "v2");
    edit(tree.path(), RESERVED, &v2, |schema| without_field(schema, "lines"));
    edit(
        tree.path(),
        "services/payment/reads/StockReserved.avsc",
        "services/payment/reads/StockReserved.avsc",
        |reader| {
            let lines: Value =
                serde_json::from_str(&fs::read_to_string(tree.path().join(RESERVED)).unwrap())
                    .unwrap();
            reader["fields"] = json!([lines["fields"][1]]);
        },
    );
    let against = ["contracts", "check", "--against", "git:HEAD"];
    farandole(tree.path(), &against)
        .await
        .exits(1)
        .says("broken  R02  inventory/StockReserved.v2.lines: removed")
        .says("payment reads it at services/payment/reads/StockReserved.avsc:");
    let format = |format| [&against[..], &["--format", format]].concat();
    let json: Value =
        serde_json::from_str(&farandole(tree.path(), &format("json")).await.exits(1).output)
            .unwrap();
    assert_eq!(json["findings"][0]["rule"], "R02");
    let sarif = farandole(tree.path(), &format("sarif")).await.exits(1);
    let sarif: Value = serde_json::from_str(&sarif.output).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "R02");
    farandole(tree.path(), &format("markdown")).await.exits(1).says("| broken | R02 |");
    farandole(tree.path(), &["contracts", "check", "--format", "xml"]).await.exits(2);
}

#[tokio::test]
async fn a_released_file_is_not_edited_and_the_list_of_them_is_only_added_to() {
    let tree = tree();
    let release = ["contracts", "release"];
    farandole(tree.path(), &release).await.exits(0);
    farandole(tree.path(), &release).await.exits(0).says("0 of them now");
    farandole(tree.path(), &["contracts", "check"]).await.exits(0);
    edit(tree.path(), CHARGED, CHARGED, |schema| schema["doc"] = json!("Edited."));
    farandole(tree.path(), &["contracts", "check"]).await.exits(1).says("R30");
    farandole(tree.path(), &["contracts", "check", "--against", "git:HEAD"])
        .await
        .exits(1)
        .says("git:HEAD has another");
    let listed = fs::read_to_string(tree.path().join("schemas/released.json")).unwrap();
    farandole(tree.path(), &release).await.exits(1).says("Nothing is released");
    assert_eq!(fs::read_to_string(tree.path().join("schemas/released.json")).unwrap(), listed);
}

#[tokio::test]
async fn a_revision_that_is_not_there_is_not_looked_at() {
    let tree = tree();
    for revision in ["git:nowhere", "git:--help"] {
        farandole(tree.path(), &["contracts", "check", "--against", revision])
            .await
            .exits(3)
            .says("is not there");
    }
    farandole(tree.path(), &["contracts", "check", "--against", "main"])
        .await
        .exits(2)
        .says("git:REV");
}

#[tokio::test]
async fn the_registry_is_compared_and_its_deleted_versions_are_seen() {
    let tree = tree();
    let text = fs::read_to_string(tree.path().join(CHARGED)).unwrap();
    let registered = move |path: &str| {
        let is_charged = path.contains("PaymentCharged");
        let versions = path.contains("/versions?");
        match path {
            _ if path.starts_with("/config/") => Some(json!({"compatibilityLevel": "BACKWARD"})),
            _ if path.starts_with("/config") => {
                Some(json!({"compatibilityLevel": "FULL_TRANSITIVE"}))
            }
            _ if is_charged && versions && path.contains("true") => Some(json!([1, 2])),
            _ if is_charged && versions => Some(json!([1])),
            _ if is_charged => {
                Some(json!({"id": 1, "version": 1, "schema": text.replace("confirmed", "c")}))
            }
            _ => None,
        }
    };
    let url = server(registered).await;
    farandole(tree.path(), &["contracts", "check", "--registry", "--schema-registry-url", &url])
        .await
        .exits(1)
        .says("the registry has another")
        .says("its compatibility is BACKWARD")
        .says("version 2 is deleted in the registry");
}

#[tokio::test]
async fn running_services_are_checked_as_they_declare_themselves() {
    let tree = tree();
    let file = tree.path().join("services/shipping/declaration.json");
    let text = fs::read_to_string(file).unwrap();
    let url = server(move |path| {
        let mut declared: Value = serde_json::from_str(&text).unwrap();
        declared["instance"] = json!("a");
        let reads = &mut declared["consumes"][0];
        reads["schema"]["fields"] = json!([{"name": "colour", "type": "string"}]);
        (path == "/declaration").then_some(declared)
    })
    .await;
    farandole(tree.path(), &["contracts", "check", "--running", "--shipping-url", &url])
        .await
        .exits(1)
        .says("R20  shipping (of unknown version, a) reads")
        .says("payment at http://localhost:8083 says nothing of itself");
}

#[tokio::test]
async fn what_breaks_somebody_is_not_registered_and_the_registry_is_not_asked() {
    let tree = tree();
    let schemas = tree.path().join("schemas");
    let v2 = CHARGED.replace("v1", "v2");
    edit(tree.path(), CHARGED, &v2, |schema| without_field(schema, "charge_id"));
    let nowhere = ["--schema-registry-url", "http://127.0.0.1:1"];
    let register = ["schemas", "register", "--dir", schemas.to_str().unwrap()];
    farandole(tree.path(), &[&register[..], &nowhere].concat())
        .await
        .exits(1)
        .says("R02  payment/PaymentCharged.v2.charge_id")
        .says("Nothing is registered");
    fs::remove_file(tree.path().join(v2)).unwrap();
    farandole(tree.path(), &[&register[..], &nowhere].concat()).await.exits(3);
}
