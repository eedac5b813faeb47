//! API tokens: what they may do, for which lines; stored as hashes.

use std::fmt;

use anyhow::{Context, Result, bail};
use base::{Name, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Row};
use subtle::ConstantTimeEq;

use super::{Store, words};

/// One thing that a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// List recordings and hear them.
    ReadRecordings,
    /// Delete recordings.
    DeleteRecordings,
    /// Read call records.
    ReadCalls,
    /// Write call records.
    WriteCalls,
    /// See callers' numbers whole.
    RevealNumbers,
    /// Read `/metrics`.
    ReadMetrics,
}

impl Scope {
    /// Every scope.
    pub const ALL: &'static [Self] = &[
        Self::ReadRecordings,
        Self::DeleteRecordings,
        Self::ReadCalls,
        Self::WriteCalls,
        Self::RevealNumbers,
        Self::ReadMetrics,
    ];

    /// Its word, in the database, on the command line and in the API's document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadRecordings => "read_recordings",
            Self::DeleteRecordings => "delete_recordings",
            Self::ReadCalls => "read_calls",
            Self::WriteCalls => "write_calls",
            Self::RevealNumbers => "reveal_numbers",
            Self::ReadMetrics => "read_metrics",
        }
    }

    /// The scope of a word.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a token that was shown may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The token's public part.
    pub id: String,
    /// What its owner called it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The lines that it may see; `None` is every line, and the calls that have none.
    pub lines: Option<Vec<Name>>,
}

impl Access {
    /// Whether it may do this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it may see what belongs to this line.
    pub fn sees(&self, line: &Name) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.contains(line))
    }
}

impl Store {
    /// Makes a token and returns it; nobody can tell it again. `lines: None` is every line.
    pub async fn new_token(
        &self,
        name: &str,
        scopes: &[Scope],
        lines: Option<&[Name]>,
        now: Timestamp,
    ) -> Result<String> {
        if scopes.is_empty() {
            bail!("a token without a scope can do nothing");
        }
        let mut conn = self.writer.acquire().await?;
        insert(&mut conn, name, scopes, lines, now).await
    }

    /// Makes every token of this name void; returns how many.
    pub async fn revoke_token(&self, name: &str, now: Timestamp) -> Result<u64> {
        let done = sqlx::query("UPDATE tokens SET revoked_at = $1 WHERE name = $2 AND revoked_at IS NULL")
            .bind(now.as_microsecond())
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected())
    }

    /// What a token allows; `None` when it is unknown or void.
    pub async fn access(&self, token: &str) -> Result<Option<Access>> {
        let Some((id, _)) = token.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')) else {
            return Ok(None);
        };
        let row =
            sqlx::query("SELECT name, hash, scopes, lines FROM tokens WHERE id = $1 AND revoked_at IS NULL")
                .bind(id)
                .fetch_optional(&self.readers)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let hash: String = row.try_get("hash")?;
        if !bool::from(hash.as_bytes().ct_eq(hashed(token).as_bytes())) {
            return Ok(None);
        }
        let scopes: String = row.try_get("scopes")?;
        let lines: Option<String> = row.try_get("lines")?;
        Ok(Some(Access {
            id: id.to_owned(),
            name: row.try_get("name")?,
            scopes: serde_json::from_str(&scopes).context("tokens: scopes")?,
            lines: lines.map(|lines| serde_json::from_str(&lines)).transpose().context("tokens: lines")?,
        }))
    }
}

/// Whether there is a token at all, void ones included.
pub(crate) async fn any(conn: &mut AnyConnection) -> Result<bool> {
    Ok(sqlx::query("SELECT id FROM tokens LIMIT 1").fetch_optional(&mut *conn).await?.is_some())
}

pub(crate) async fn insert(
    conn: &mut AnyConnection,
    name: &str,
    scopes: &[Scope],
    lines: Option<&[Name]>,
    now: Timestamp,
) -> Result<String> {
    let id = words::random(ID)?;
    let token = format!("{PREFIX}{id}_{}", words::random(SECRET)?);
    sqlx::query(
        "INSERT INTO tokens (id, name, hash, scopes, lines, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&id)
    .bind(name)
    .bind(hashed(&token))
    .bind(serde_json::to_string(scopes)?)
    .bind(lines.map(serde_json::to_string).transpose()?)
    .bind(now.as_microsecond())
    .execute(&mut *conn)
    .await?;
    Ok(token)
}

/// A token has 128 bits of entropy, so that a plain hash is enough: there is nothing to guess.
fn hashed(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Lets a leaked token be found by a search.
const PREFIX: &str = "sibai_";
const ID: usize = 10;
/// 128 bits.
const SECRET: usize = 26;
