//! Making the tables anew: in a schema of their own, which changes places with the live ones table by table.
//!
//! Reading order: [`places`] (schemas, and what stands in the way), [`shadow`] (made, loaded, completed), [`copy`] and
//! [`load`] (rows), [`swap`].

mod copy;
pub mod load;
mod places;
mod shadow;
mod swap;

use super::{ANSWER_WITHIN, PostgresStore};
use crate::store::rebuild::{Held, Rebuild, Which};
use crate::store::sql::fault::Fault;
use crate::store::{Store, StoreError};
use places::Places;
use sqlx::{ConnectOptions, Connection, PgConnection};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long what moves or reads whole tables may take.
const NO_LIMIT: Duration = Duration::MAX;

/// A rebuild under way.
pub struct PostgresRebuild<'a> {
    live: &'a PostgresStore,
    shadow: Arc<PostgresStore>,
    places: Places,
    /// How far that is which was left; none: nothing was.
    left: Option<shadow::Stage>,
    /// Its session holds the lock that keeps a second rebuild out.
    session: Mutex<PgConnection>,
}

/// Begins.
pub fn begin(live: &PostgresStore, fresh: bool) -> Result<Box<dyn Rebuild + '_>, StoreError> {
    let places = live.run(ANSWER_WITHIN, async |connection| Places::of(connection).await)?;
    let session = live.blocking.wait(alone(live, &places)).map_err(|fault| fault.at(&live.at))?;
    let stage = live.run(ANSWER_WITHIN, async |connection| shadow::left(connection, &places).await)?;
    let stage = stage.filter(|_| !fresh);
    if stage.is_none() {
        live.run(NO_LIMIT, async |connection| shadow::make(connection, &places).await)?;
    }
    let tables = PostgresStore::with(live.options.clone(), live.at.clone(), Some(places.shadow.clone()))?;
    tables.migrate()?;
    tables.run(NO_LIMIT, async |connection| shadow::prepare(connection, &places, stage).await)?;
    tables.loading.store(stage != Some(shadow::Stage::Complete), Ordering::Relaxed);
    let session = Mutex::new(session);
    Ok(Box::new(PostgresRebuild { live, shadow: Arc::new(tables), places, left: stage, session }))
}

/// A session that holds the lock of rebuilds.
async fn alone(live: &PostgresStore, places: &Places) -> Result<PgConnection, Fault> {
    let mut session = live.options.connect().await?;
    let locked: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('orchestrator rebuild'), hashtext($1))")
            .bind(&places.live)
            .fetch_one(&mut session)
            .await?;
    if locked {
        return Ok(session);
    }
    let words = format!("another rebuild of {} is under way; wait for its end", live.at);
    Err(StoreError::Busy(words).into())
}

impl PostgresRebuild<'_> {
    /// The lock may have gone with its session, and another rebuild may have begun.
    fn still_alone(&self) -> Result<(), StoreError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let check = async {
            if session.ping().await.is_err() {
                *session = alone(self.live, &self.places).await?;
            }
            Ok(())
        };
        self.live.blocking.wait(check).map_err(|fault: Fault| fault.at(&self.live.at))
    }
}

impl Rebuild for PostgresRebuild<'_> {
    fn shadow(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shadow) as Arc<dyn Store>
    }

    fn goes_on(&self) -> bool {
        self.left.is_some()
    }

    fn must_complete(&self) -> bool {
        self.left == Some(shadow::Stage::Completing)
    }

    fn in_the_way(&self, which: Which) -> Result<Vec<String>, StoreError> {
        self.live.run(ANSWER_WITHIN, async |connection| self.places.in_the_way(connection, which).await)
    }

    fn complete(&self) -> Result<(), StoreError> {
        self.shadow.run(NO_LIMIT, async |connection| shadow::complete(connection).await)?;
        self.shadow.loading.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn hold(&self) -> Result<Box<dyn Held + '_>, StoreError> {
        self.still_alone()?;
        Ok(Box::new(swap::hold(self.live, &self.places)?))
    }

    fn discard(&self) -> Result<(), StoreError> {
        self.still_alone()?;
        self.live.run(NO_LIMIT, async |connection| self.places.drop_both(connection).await)
    }
}
