//! What the program says of itself.

use testkit::Sandbox;

use crate::{output, program, run};

#[tokio::test]
async fn a_usage_line_is_the_commands_own_whatever_the_environment_says() {
    let sandbox = Sandbox::new();
    let mut show = program(&sandbox, &["dlq", "show"]);
    for service in declarations::SERVICES {
        show.env(format!("{}_DATABASE_URL", service.to_uppercase()), "postgres://u:s3cret@h/d");
    }
    let show = output(show).await.exits(2);
    assert!(!show.errors.contains("s3cret"), "{}", show.errors);
    let usage = show.errors.lines().find(|line| line.starts_with("Usage:")).unwrap();
    assert_eq!(usage, "Usage: farandole dlq show [OPTIONS] <ID>");
}

#[tokio::test]
async fn help_is_narrow_and_names_no_secrets_and_there_are_completions_and_pages() {
    let sandbox = Sandbox::new();
    for command in ["--help", "dlq redrive --help", "orders stuck --help", "status --help"] {
        let words: Vec<&str> = command.split(' ').collect();
        let help = run(&sandbox, &words).await.exits(0);
        let wide = help.output.lines().find(|line| line.chars().count() > 100);
        assert!(wide.is_none(), "{command}: {wide:?}");
        assert!(help.output.contains("Exit codes"), "{command}");
    }
    run(&sandbox, &["completions", "bash"]).await.exits(0).says("_farandole()");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    run(&sandbox, &["man", path]).await.exits(0).says("pages are in");
    let page = std::fs::read_to_string(directory.path().join("farandole-dlq-redrive.1")).unwrap();
    assert!(page.contains("canary"), "{page}");
}
