//! Passwords of seats, stored as HA1 per algorithm; never in clear, printed once.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use base::{Name, Timestamp};
use sip::digest::Algorithm;
use sip::seam::User;
use sqlx::{AnyConnection, Row};

use super::tokens::Scope;
use super::{Store, words};

/// A SIP extension and the seat that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// The user name with which its phone registers.
    pub user: Name,
    /// The line of the seat.
    pub line: Name,
    /// The seat.
    pub seat: Name,
}

impl Extension {
    /// All of them, from `Plan::extensions`.
    pub fn all(extensions: &BTreeMap<Name, (Name, Name)>) -> Vec<Self> {
        extensions
            .iter()
            .map(|(user, (line, seat))| Self { user: user.clone(), line: line.clone(), seat: seat.clone() })
            .collect()
    }
}

/// What was made at this start, to be printed once; nobody can tell it again.
#[derive(Clone, Debug, Default)]
pub struct NewSecrets {
    /// Extensions that had no password, and the one they have now.
    pub passwords: Vec<(Extension, String)>,
    /// The first API token, with every scope and every line; only when there was none at all.
    pub token: Option<String>,
}

impl Store {
    /// Gives a password to every extension that has none, and makes the first API token. An extension
    /// that moved to another seat or line counts as new: the old seat's password does not open it.
    pub async fn provision(&self, extensions: &[Extension], now: Timestamp) -> Result<NewSecrets> {
        let mut transaction = self.writer.begin().await?;
        let known = stored(&mut transaction).await?;
        let mut new = NewSecrets::default();
        for extension in extensions {
            if !known.iter().any(|(owner, _, _)| owner == extension) {
                let password = words::password()?;
                write_password(&mut transaction, extension, &password).await?;
                new.passwords.push((extension.clone(), password));
            }
        }
        if !super::tokens::any(&mut transaction).await? {
            let token = super::tokens::insert(&mut transaction, FIRST_TOKEN, Scope::ALL, None, now).await?;
            new.token = Some(token);
        }
        transaction.commit().await?;
        Ok(new)
    }

    /// Gives an extension a new password and returns it; the one before is void. A running server takes
    /// it over as soon as it sees `secrets_version` change.
    pub async fn set_password(&self, extension: &Extension) -> Result<String> {
        let password = words::password()?;
        let mut transaction = self.writer.begin().await?;
        write_password(&mut transaction, extension, &password).await?;
        transaction.commit().await?;
        Ok(password)
    }

    /// The users that may register: those of `extensions` that have a password.
    pub async fn users(&self, extensions: &[Extension]) -> Result<HashMap<Name, User>> {
        let mut conn = self.readers.acquire().await?;
        let mut users: HashMap<Name, User> = HashMap::new();
        for (owner, algorithm, ha1) in stored(&mut conn).await? {
            if extensions.contains(&owner) {
                let user = users.entry(owner.user).or_default();
                user.line = Some(owner.line);
                user.ha1.push((algorithm, ha1));
            }
        }
        Ok(users)
    }

    /// A number that grows with every new password, so that a server need not read them all to see that
    /// nothing changed.
    pub async fn secrets_version(&self) -> Result<u64> {
        let row = sqlx::query("SELECT value FROM settings WHERE key = $1")
            .bind(SECRETS_VERSION)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(0) };
        let value: String = row.try_get("value")?;
        value.parse().context("settings: secrets_version is no number")
    }
}

async fn stored(conn: &mut AnyConnection) -> Result<Vec<(Extension, Algorithm, String)>> {
    let rows =
        sqlx::query("SELECT user_name, algorithm, line, seat, ha1 FROM seat_secrets ORDER BY user_name")
            .fetch_all(&mut *conn)
            .await?;
    let mut secrets = Vec::with_capacity(rows.len());
    for row in rows {
        let algorithm: String = row.try_get("algorithm")?;
        let algorithm = Algorithm::from_name(&algorithm)
            .with_context(|| format!("seat_secrets: unknown algorithm {algorithm}"))?;
        let owner = Extension {
            user: row.try_get::<String, _>("user_name")?.into(),
            line: row.try_get::<String, _>("line")?.into(),
            seat: row.try_get::<String, _>("seat")?.into(),
        };
        secrets.push((owner, algorithm, row.try_get("ha1")?));
    }
    Ok(secrets)
}

async fn write_password(conn: &mut AnyConnection, extension: &Extension, password: &str) -> Result<()> {
    for algorithm in ALGORITHMS {
        sqlx::query(
            "INSERT INTO seat_secrets (user_name, algorithm, line, seat, ha1) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_name, algorithm)
             DO UPDATE SET line = excluded.line, seat = excluded.seat, ha1 = excluded.ha1",
        )
        .bind(extension.user.as_str())
        .bind(algorithm.as_str())
        .bind(extension.line.as_str())
        .bind(extension.seat.as_str())
        .bind(algorithm.ha1(&extension.user, REALM, password))
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query(
        "INSERT INTO settings (key, value) VALUES ($1, '1') ON CONFLICT (key)
         DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)",
    )
    .bind(SECRETS_VERSION)
    .execute(&mut *conn)
    .await?;
    Ok(())
}

/// The digest realm: part of every HA1, so it can never change.
pub const REALM: &str = "sibai";

/// Strongest first; a listener may offer any of them later without new passwords.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
const SECRETS_VERSION: &str = "secrets_version";
const FIRST_TOKEN: &str = "first";
