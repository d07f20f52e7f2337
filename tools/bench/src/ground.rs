use std::path::PathBuf;

use sqlx::PgPool;
use stack::{Options, Stack};

use crate::build::Build;
use crate::postgres::{connect, execute};
use crate::show::Show;

/// Where it is measured: Kafka, the registry and Postgres, and what is started on them.
pub(crate) struct Ground {
    pub(crate) stack: Stack,
    pub(crate) show: Show,
    /// Whose services are measured.
    pub(crate) build: Build,
    /// Variables of all services of all fleets.
    pub(crate) environment: Vec<(String, String)>,
    postgres: PgPool,
}

impl Ground {
    /// Starts the stack; `data` keeps its data and all logs.
    pub(crate) async fn prepare(
        data: Option<PathBuf>,
        build: Build,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let stack = Stack::start(Options { data, ..Options::default() }).await?;
        let postgres = connect(&stack.postgres_url("postgres")).await?;
        Ok(Self { stack, show: Show::new(), build, environment, postgres })
    }

    pub(crate) fn postgres(&self) -> &PgPool {
        &self.postgres
    }

    /// Postgres with what only comes with a restart; no fleet may be running.
    pub(crate) async fn restart_postgres(&mut self, setting: &str) -> anyhow::Result<()> {
        execute(&self.postgres, setting).await?;
        self.stack.postgres.stop().await;
        self.stack.postgres.start().await?;
        self.postgres = connect(&self.stack.postgres_url("postgres")).await?;
        Ok(())
    }

    pub(crate) async fn stop(self) {
        self.postgres.close().await;
        self.stack.stop().await;
    }
}
