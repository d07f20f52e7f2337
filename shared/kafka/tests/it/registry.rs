//! What the registry, or what is in its place, can answer, and what that means.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser as _;
use farandole_kafka::{Registry, RegistryError, RegistrySettings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::fake::{Answer, Fake, Request, nowhere};

#[derive(Debug, clap::Parser)]
struct Program {
    #[command(flatten)]
    registry: RegistrySettings,
}

/// What a program with these flags is told.
fn parsed(flags: &[&str]) -> Result<RegistrySettings, String> {
    let all = ["program"].iter().chain(flags);
    Program::try_parse_from(all).map(|parsed| parsed.registry).map_err(|error| error.to_string())
}

fn registry(urls: &str) -> Registry {
    Registry::new(&urls.parse().unwrap()).unwrap()
}

fn whole(status: u16, body: &serde_json::Value) -> Answer {
    Answer::Whole(status, body.to_string())
}

fn problem(status: u16, code: u32, message: &str) -> Answer {
    whole(status, &json!({ "error_code": code, "message": message }))
}

/// A schema, to whoever asks.
fn schema() -> Answer {
    whole(200, &json!({ "schema": "\"string\"", "id": 7, "version": 2 }))
}

/// A good answer to whatever is asked.
fn healthy(request: &Request) -> Answer {
    let is_config = request.line.contains("/config");
    if request.line.contains("/versions?deleted=") {
        let with_deleted = request.line.contains("deleted=true");
        return whole(200, &if with_deleted { json!([1, 2, 3]) } else { json!([1, 3]) });
    }
    if is_config { whole(200, &json!({ "compatibilityLevel": "FULL" })) } else { schema() }
}

/// All that can be asked, and how it went.
async fn ask_all(registry: &Registry) -> Vec<(&'static str, Result<(), RegistryError>)> {
    vec![
        ("schema", registry.schema(7).await.map(|_| ())),
        ("id_of", registry.id_of("s", "\"string\"").await.map(|_| ())),
        ("latest", registry.latest("s").await.map(|_| ())),
        ("version", registry.version("s", 2).await.map(|_| ())),
        ("versions", registry.versions("s", true).await.map(|_| ())),
        ("register", registry.register("s", "\"string\"").await.map(|_| ())),
        ("compatibility", registry.compatibility("s").await.map(|_| ())),
        ("set_compatibility", registry.set_compatibility("s", "FULL").await),
    ]
}

async fn assert_away(answer: Answer, says: &str) {
    let fake = Fake::saying(answer.clone()).await;
    for (what, error) in ask_all(&registry(&fake.url)).await {
        let Err(RegistryError::Unavailable(text)) = &error else {
            panic!("{what}, {answer:?}: {error:?}");
        };
        assert!(text.contains(says) && text.contains(&fake.url), "{what}, {answer:?}: {text}");
    }
}

#[tokio::test]
async fn deleted_versions_are_told_from_those_that_are_there() {
    let fake = Fake::start(healthy).await;
    let registry = registry(&fake.url);
    assert_eq!(registry.versions("s", false).await.unwrap(), [1, 3]);
    assert_eq!(registry.versions("s", true).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_missing() {
    for code in [40_401, 40_402, 40_403, 404] {
        let fake = Fake::saying(problem(404, code, "not found")).await;
        for (what, error) in ask_all(&registry(&fake.url)).await {
            let Err(RegistryError::Missing(subject)) = &error else { panic!("{what}: {error:?}") };
            assert!(["s", "schema id 7"].contains(&subject.as_str()), "{subject}");
            assert!(error.unwrap_err().to_string().contains("farandole schemas register"));
        }
    }
}

#[tokio::test]
async fn what_the_registry_refuses_is_told_in_its_words() {
    for (status, code) in [(409, 409), (422, 42_201), (400, 400)] {
        let fake = Fake::saying(problem(status, code, "a field is lacking")).await;
        for (what, error) in ask_all(&registry(&fake.url)).await {
            let Err(RegistryError::Refused { reason, .. }) = &error else {
                panic!("{what}, {status}: {error:?}");
            };
            assert_eq!(reason, "a field is lacking", "{what}");
        }
    }
}

#[tokio::test]
async fn what_passes_is_unavailable() {
    for status in [429, 500, 502, 503, 504] {
        assert_away(problem(status, 50_001, "no leader"), "no leader").await;
        assert_away(Answer::Whole(status, "<html>".to_owned()), &status.to_string()).await;
    }
    let beginning = "{\"schema\": \"str".to_owned();
    assert_away(Answer::Cut(200, beginning), "SCHEMA_REGISTRY_URL").await;
    assert_away(Answer::Cut(500, "{\"error".to_owned()), "500").await;
    assert_away(Answer::Whole(200, "<html>".to_owned()), "SCHEMA_REGISTRY_URL").await;
    assert_away(Answer::Whole(200, "[{}]".to_owned()), "SCHEMA_REGISTRY_URL").await;
    assert_away(Answer::Whole(400, "<html>".to_owned()), "400").await;
}

#[tokio::test]
async fn what_is_no_registry_is_unavailable_and_not_empty() {
    let no_api = "no Confluent-compatible API";
    assert_away(Answer::Whole(404, "<html>".to_owned()), no_api).await;
    assert_away(whole(404, &json!({ "message": "no such page" })), no_api).await;
    assert_away(problem(404, 404, "HTTP 404 Not Found"), no_api).await;
    // Something that is JSON, but no schema.
    let fake = Fake::saying(whole(200, &json!({}))).await;
    let asked = registry(&fake.url).latest("s").await;
    assert!(matches!(asked, Err(RegistryError::Unavailable(_))), "{asked:?}");
    let url = nowhere().await;
    let Err(RegistryError::Unavailable(text)) = registry(&url).latest("s").await else { panic!() };
    assert!(text.contains("is not there") && text.contains("SCHEMA_REGISTRY_URL"), "{text}");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_which_setting() {
    for status in [401, 403] {
        assert_away(problem(status, 40_101, "who?"), "SCHEMA_REGISTRY_TOKEN").await;
        assert_away(Answer::Whole(status, "<html>".to_owned()), "SCHEMA_REGISTRY_URL").await;
        let fake = Fake::saying(Answer::Whole(status, String::new())).await;
        let with_user = fake.url.replace("://", "://ada:secret@");
        for (flags, setting) in [
            (vec!["--schema-registry-url", &with_user], "the user in SCHEMA_REGISTRY_URL"),
            (
                vec!["--schema-registry-url", &fake.url, "--schema-registry-token", "secret"],
                "the token in SCHEMA_REGISTRY_TOKEN",
            ),
        ] {
            let registry = Registry::new(&parsed(&flags).unwrap()).unwrap();
            let text = registry.schema(7).await.unwrap_err().to_string();
            assert!(text.contains(setting) && !text.contains("secret"), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_wait_has_a_limit() {
    let fake = Fake::saying(Answer::Silence).await;
    let registries = [&fake.url, &format!("{0},{0},{0}", fake.url)].map(|urls| registry(urls));
    for (registry, limit) in registries.iter().zip([5, 10]) {
        let begin = Instant::now();
        let error = registry.schema(7).await.unwrap_err();
        let RegistryError::Unavailable(text) = &error else { panic!("{error:?}") };
        assert!(text.contains(&format!("no answer within {limit} s")), "{text}");
        assert_eq!(begin.elapsed().as_secs(), limit);
    }
    let begin = Instant::now();
    let error = registries[0].answers(Duration::from_secs(2)).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 2 s"), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn the_next_address_is_asked_and_kept_to() {
    let broken = Fake::saying(problem(503, 503, "restarting")).await;
    let good = Fake::start(healthy).await;
    let registry = registry(&format!("{},{},{}", nowhere().await, broken.url, good.url));
    assert_eq!(registry.latest("s").await.unwrap().id, 7);
    assert_eq!(registry.id_of("s", "\"string\"").await.unwrap(), 7);
    assert_eq!((broken.asked().len(), good.asked().len()), (1, 2));
}

#[tokio::test]
async fn an_answer_of_the_first_address_is_the_answer() {
    let empty = Fake::saying(problem(404, 40_403, "not found")).await;
    let other = Fake::start(healthy).await;
    let asked = registry(&format!("{},{}", empty.url, other.url)).schema(7).await;
    assert!(matches!(asked, Err(RegistryError::Missing(_))), "{asked:?}");
    assert_eq!(other.asked().len(), 0);
}

#[tokio::test]
async fn all_addresses_that_are_away_are_named() {
    let (one, other) = (nowhere().await, nowhere().await);
    let text = registry(&format!("{one},{other}")).schema(7).await.unwrap_err().to_string();
    assert!(text.contains(&one) && text.contains(&other), "{text}");
}

#[tokio::test]
async fn paths_are_put_together_whatever_is_in_them() {
    let fake = Fake::start(healthy).await;
    let registry = registry(&format!("{}/api/", fake.url));
    let (subject, path) = ("a/b?c#d %e-é", "a%2Fb%3Fc%23d%20%25e-%C3%A9");
    let found = registry.latest(subject).await.unwrap();
    assert_eq!((found.id, found.version, found.schema.as_str()), (7, 2, "\"string\""));
    registry.version(subject, 2).await.unwrap();
    registry.id_of(subject, "\"x\"").await.unwrap();
    registry.register(subject, "\"x\"").await.unwrap();
    assert_eq!(registry.compatibility(subject).await.unwrap(), "FULL");
    registry.set_compatibility(subject, "NONE").await.unwrap();
    registry.schema(7).await.unwrap();
    let expected = [
        format!("GET /api/subjects/{path}/versions/latest"),
        format!("GET /api/subjects/{path}/versions/2"),
        format!("POST /api/subjects/{path}?deleted=false"),
        format!("POST /api/subjects/{path}/versions"),
        format!("GET /api/config/{path}?defaultToGlobal=true"),
        format!("PUT /api/config/{path}"),
        "GET /api/schemas/ids/7?deleted=true".to_owned(),
    ];
    assert_eq!(fake.lines(), expected);
    let bodies: Vec<_> = fake.asked().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies[2..4], [r#"{"schema":"\"x\""}"#, r#"{"schema":"\"x\""}"#]);
    assert_eq!(bodies[5], r#"{"compatibility":"NONE"}"#);
}

#[tokio::test]
async fn a_schema_is_fetched_by_one_for_all_and_once() {
    let fake = Fake::start(|request| {
        let id = request.line.trim_end_matches("?deleted=true").rsplit('/').next().unwrap();
        let text = json!({ "schema": format!("\"{id}\"") }).to_string();
        Answer::Late(Duration::from_millis(200), 200, text)
    })
    .await;
    let registry = registry(&fake.url);
    let asking = (0..20).map(|at| {
        let registry = registry.clone();
        tokio::spawn(async move { registry.schema(7 + at % 2).await })
    });
    for (at, asked) in asking.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(*asked.await.unwrap().unwrap(), *format!("\"{}\"", 7 + at % 2));
    }
    registry.schema(7).await.unwrap();
    assert_eq!(fake.asked().len(), 2, "one request for each id");
}

#[tokio::test]
async fn an_error_is_for_those_who_waited_and_not_remembered() {
    let registered = Arc::new(AtomicBool::new(false));
    let fake = Fake::start({
        let registered = registered.clone();
        move |_| {
            if registered.load(Ordering::Relaxed) {
                return schema();
            }
            let missing = json!({ "error_code": 40_403, "message": "not found" }).to_string();
            Answer::Late(Duration::from_millis(200), 404, missing)
        }
    })
    .await;
    let registry = registry(&fake.url);
    let asking = (0..20).map(|_| {
        let registry = registry.clone();
        tokio::spawn(async move { registry.schema(7).await })
    });
    for asked in asking.collect::<Vec<_>>() {
        let asked = asked.await.unwrap();
        assert_eq!(asked, Err(RegistryError::Missing("schema id 7".to_owned())));
    }
    assert_eq!(fake.asked().len(), 1);
    registered.store(true, Ordering::Relaxed);
    assert_eq!(*registry.schema(7).await.unwrap(), *"\"string\"");
    assert_eq!(fake.asked().len(), 2);
}

#[tokio::test]
async fn who_gives_up_takes_nobody_along() {
    let fake = Fake::start(|_| {
        let text = json!({ "schema": "\"string\"" }).to_string();
        Answer::Late(Duration::from_millis(300), 200, text)
    })
    .await;
    let registry = registry(&fake.url);
    let brief = Duration::from_millis(50);
    let (first, second) =
        tokio::join!(tokio::time::timeout(brief, registry.schema(7)), registry.schema(7));
    assert!(first.is_err() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(fake.asked().len(), 1);
    // Nobody is left to wait: whoever comes asks anew.
    tokio::time::timeout(brief, registry.schema(8)).await.unwrap_err();
    registry.schema(8).await.unwrap();
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn users_and_tokens_are_sent_and_never_shown() {
    let fake = Fake::start(healthy).await;
    let with_user = fake.url.replace("://", "://ada:s%65cr%40t@");
    // Of "ada:secr@t" and of nothing but the token.
    let (basic, bearer) = ("Basic YWRhOnNlY3JAdA==", "Bearer s3cr3t");
    for (flags, sent) in [
        (vec!["--schema-registry-url", &with_user], basic),
        (vec!["--schema-registry-url", &with_user, "--schema-registry-token", "s3cr3t"], bearer),
    ] {
        let settings = parsed(&flags).unwrap();
        let registry = Registry::new(&settings).unwrap();
        registry.latest("s").await.unwrap();
        registry.answers(Duration::from_secs(5)).await.unwrap();
        let asked = fake.asked();
        let last: Vec<_> = asked[asked.len() - 2..].iter().map(|it| &it.authorization).collect();
        assert_eq!(last, [&Some(sent.to_owned()); 2]);
        assert_eq!(settings.to_string(), fake.url);
        let shown = format!("{settings:?} {settings} {registry:?}");
        for secret in ["ada", "secr", "s%65", "s3cr3t"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let away = nowhere().await.replace("://", "://ada:s3cr3t@");
    let error = registry(&away).latest("s").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
}

#[test]
fn a_bad_setting_is_refused_without_being_shown() {
    let url = "--schema-registry-url";
    for (flags, says) in [
        ([url, "https://ada:s3cr3t@host:port"], "…@host:port: invalid port number"),
        ([url, "http://host,https://a,da:s3cr3t@host"], "…@host: "),
        ([url, "ftp://ada:s3cr3t@host"], "…@host: its scheme is another"),
        ([url, "http://host?key=s3cr3t"], "http://host…: nothing may come after the path"),
        ([url, "host:8080"], "host:8080: its scheme is another"),
        ([url, "http://host,"], "expected http://host:port/path or https://"),
        (["--schema-registry-token", "s3cr3t token"], "expected a token of visible ASCII"),
        (["--schema-registry-token", ""], "expected a token of visible ASCII"),
        (["--schema-registry-ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (["--schema-registry-ca", "/dev/null"], "there is no certificate in it"),
    ] {
        let error = parsed(&flags).unwrap_err();
        assert!(error.contains(flags[0]) && error.contains(says), "{error}");
        assert!(error.contains("expected") && !error.contains("s3cr3t"), "{error}");
    }
    let error = "http://ada:s3cr3t@".parse::<RegistrySettings>().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
}

/// An authority, and a server that has a certificate of it.
async fn encrypted() -> (String, Fake) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(
        vec![certificate.der().clone()],
        PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    );
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
    let fake = Fake::serve(Some(acceptor), healthy);
    (authority.pem(), fake.await)
}

#[tokio::test]
async fn https_works_with_an_authority_of_ones_own() {
    let (pem, fake) = encrypted().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    let ca = file.path().to_str().unwrap();
    let with = parsed(&["--schema-registry-url", &fake.url, "--schema-registry-ca", ca]).unwrap();
    let registry = Registry::new(&with).unwrap();
    assert_eq!(registry.latest("s").await.unwrap().id, 7);
    registry.answers(Duration::from_secs(5)).await.unwrap();

    let (_, stranger) = encrypted().await;
    let flags = ["--schema-registry-url", &stranger.url, "--schema-registry-ca", ca];
    let registry = Registry::new(&parsed(&flags).unwrap()).unwrap();
    for error in [
        registry.latest("s").await.unwrap_err(),
        registry.answers(Duration::from_secs(5)).await.unwrap_err(),
    ] {
        let RegistryError::Unavailable(text) = &error else { panic!("{error:?}") };
        assert!(text.contains("certificate") && text.contains("SCHEMA_REGISTRY_CA"), "{text}");
    }
}
