use testkit::Sandbox;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::{program, run};

/// An address of this machine where nothing listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    let kafka = nowhere().await;
    run(&sandbox, &["topics", "create", "--kafka-brokers", &kafka])
        .await
        .exits(3)
        .says(&kafka)
        .says("KAFKA_BROKERS");
    let registry = format!("http://{}/apis/ccompat/v7", nowhere().await);
    for command in [["schemas", "register"], ["events", "tail"]] {
        run(&sandbox, &[&command[..], &["--schema-registry-url", &registry]].concat())
            .await
            .exits(3)
            .says(&registry)
            .says("SCHEMA_REGISTRY_URL");
    }
}

#[tokio::test]
async fn a_registry_address_without_its_path_is_told_from_an_empty_registry() {
    let sandbox = Sandbox::new();
    let bare = sandbox.stack.schema_registry_url.strip_suffix("/apis/ccompat/v7").unwrap();
    run(&sandbox, &["schemas", "register", "--schema-registry-url", bare])
        .await
        .exits(3)
        .says("no Confluent-compatible API");
}

#[tokio::test]
async fn it_waits_for_a_registry_that_comes_up_late() {
    let sandbox = Sandbox::new();
    let address = nowhere().await;
    let url = format!("http://{address}/apis/ccompat/v7");
    let arguments = ["schemas", "register", "--wait", "60", "--schema-registry-url", &url];
    let mut child = program(&sandbox, &arguments).spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = errors.next_line().await.unwrap().unwrap();
    assert!(line.starts_with("waiting for the schema registry"), "{line}");

    let registry = sandbox.stack.schema_registry_url.split('/').nth(2).unwrap().to_owned();
    let listener = TcpListener::bind(&address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(&registry).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
}
