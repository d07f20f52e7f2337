use std::{env, fs, process};

use jiff::{Timestamp, Unit};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::build::Build;
use crate::postgres::told;

/// Where, when, of what and how it was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) kafka: String,
    pub(crate) postgres: String,
    pub(crate) rustc: String,
    pub(crate) commit: String,
    pub(crate) command: String,
    pub(crate) at: String,
}

impl Machine {
    pub(crate) async fn look(postgres: &PgPool, build: &Build) -> anyhow::Result<Self> {
        let version = sqlx::query_scalar("SHOW server_version").fetch_one(postgres).await;
        let at = Timestamp::now().round(Unit::Minute)?;
        Ok(Self {
            cpu: line_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: gib(&line_of("/proc/meminfo", "MemTotal")),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            kafka: stack::KAFKA_VERSION.to_owned(),
            postgres: version.map_err(told)?,
            rustc: output("rustc", &["--version"]),
            commit: build.commit().unwrap_or_else(|| "unknown".to_owned()),
            command: command(),
            at: at.to_string(),
        })
    }
}

/// The value of the first line `name: value`.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// Of `12345 kB`.
fn gib(kilobytes: &str) -> f64 {
    let number = kilobytes.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    (number.unwrap_or_default() / 1_048_576.0 * 10.0).round() / 10.0
}

/// How this program was called, without where it is.
fn command() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("farandole-bench {}", arguments.join(" ")).trim_end().to_owned()
}

/// The first line of what a program says.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = process::Command::new(program).args(arguments).output();
    let text = output.ok().filter(|output| output.status.success());
    let text = text.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_says_of_the_machine() {
        assert!((gib("16777216 kB") - 16.0).abs() < f64::EPSILON);
        assert!(gib(&line_of("/proc/meminfo", "MemTotal")) > 0.0);
        assert_eq!(line_of("/proc/meminfo", "no such thing"), "unknown");
    }
}
