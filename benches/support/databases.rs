//! A database for each installation.

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Makes a database anew and returns its address.
pub fn make(postgres: &str, name: &str) -> Result<String> {
    let (server, _) = postgres.rsplit_once('/').unwrap_or((postgres, ""));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = PgConnection::connect(postgres).await?;
        for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
            connection.execute(AssertSqlSafe(statement)).await?;
        }
        connection.close().await
    })?;
    Ok(format!("{server}/{name}"))
}
