//! The registry of attributes: which keys a project's table has, and the widest type each was seen with.

use std::fmt;
use std::str::FromStr;

use sqlx::{Row, Sqlite, Transaction};

use crate::database::Metastore;
use crate::error::MetastoreError;

/// The type of an attribute's column. Readers cast up: `int64` to `float64`, anything to `string`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    Bool,
    Int64,
    Float64,
    String,
}

impl AttributeType {
    pub const ALL: [AttributeType; 4] =
        [AttributeType::Bool, AttributeType::Int64, AttributeType::Float64, AttributeType::String];

    /// The narrowest type that holds both. A boolean is no number: with one it becomes text.
    pub fn widen(self, other: AttributeType) -> AttributeType {
        use AttributeType::{Float64, Int64, String};
        match (self, other) {
            _ if self == other => self,
            (Int64, Float64) | (Float64, Int64) => Float64,
            _ => String,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            AttributeType::Bool => "bool",
            AttributeType::Int64 => "int64",
            AttributeType::Float64 => "float64",
            AttributeType::String => "string",
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AttributeType {
    type Err = MetastoreError;

    fn from_str(text: &str) -> Result<AttributeType, MetastoreError> {
        let found = AttributeType::ALL.into_iter().find(|known| known.as_str() == text);
        found.ok_or_else(|| MetastoreError::Unreadable { what: "attribute type", found: text.to_owned() })
    }
}

/// An attribute that a flush met.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeSeen {
    pub project: String,
    /// The signal's table: `spans`, `logs`, `metrics`.
    pub signal: String,
    pub key: String,
    pub r#type: AttributeType,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
}

/// What the registry knows of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredAttribute {
    pub project: String,
    pub signal: String,
    pub key: String,
    /// The widest type seen.
    pub r#type: AttributeType,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
}

impl Metastore {
    /// Every attribute of every project, in order of project, signal and key.
    pub async fn attributes(&self) -> Result<Vec<RegisteredAttribute>, MetastoreError> {
        let rows =
            sqlx::query("select project, signal, key, type, first_seen, last_seen from attributes order by project, signal, key")
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(registered).collect()
    }

    /// The attributes of one project's table, in order of key.
    pub async fn attributes_of(&self, project: &str, signal: &str) -> Result<Vec<RegisteredAttribute>, MetastoreError> {
        let rows = sqlx::query(
            "select project, signal, key, type, first_seen, last_seen from attributes
             where project = $1 and signal = $2 order by key",
        )
        .bind(project)
        .bind(signal)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(registered).collect()
    }
}

fn registered(row: &sqlx::sqlite::SqliteRow) -> Result<RegisteredAttribute, MetastoreError> {
    Ok(RegisteredAttribute {
        project: row.try_get("project")?,
        signal: row.try_get("signal")?,
        key: row.try_get("key")?,
        r#type: row.try_get::<&str, _>("type")?.parse()?,
        first_seen_unix_nano: row.try_get("first_seen")?,
        last_seen_unix_nano: row.try_get("last_seen")?,
    })
}

/// Adds what a flush saw to the registry; types only ever widen.
pub(crate) async fn register(transaction: &mut Transaction<'_, Sqlite>, seen: &[AttributeSeen]) -> Result<(), MetastoreError> {
    for attribute in seen {
        // The `case` is `AttributeType::widen`; a test holds the two together.
        sqlx::query(
            "insert into attributes (project, signal, key, type, first_seen, last_seen) values ($1, $2, $3, $4, $5, $6)
             on conflict (project, signal, key) do update set
                type = case
                    when attributes.type = excluded.type then attributes.type
                    when attributes.type in ('int64', 'float64') and excluded.type in ('int64', 'float64') then 'float64'
                    else 'string' end,
                first_seen = case when excluded.first_seen < attributes.first_seen
                    then excluded.first_seen else attributes.first_seen end,
                last_seen = case when excluded.last_seen > attributes.last_seen
                    then excluded.last_seen else attributes.last_seen end",
        )
        .bind(&attribute.project)
        .bind(&attribute.signal)
        .bind(&attribute.key)
        .bind(attribute.r#type.as_str())
        .bind(attribute.first_seen_unix_nano)
        .bind(attribute.last_seen_unix_nano)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_database_widens_as_the_type_does() {
        for first in AttributeType::ALL {
            for second in AttributeType::ALL {
                let metastore = Metastore::in_memory().await.unwrap();
                let mut transaction = metastore.write().await.unwrap();
                for (r#type, time) in [(first, 5), (second, 3)] {
                    let seen = AttributeSeen {
                        project: "default".into(),
                        signal: "spans".into(),
                        key: "http.route".into(),
                        r#type,
                        first_seen_unix_nano: time,
                        last_seen_unix_nano: time + 1,
                    };
                    register(&mut transaction, &[seen]).await.unwrap();
                }
                transaction.commit().await.unwrap();
                let registered = metastore.attributes_of("default", "spans").await.unwrap();
                assert_eq!(registered.len(), 1);
                assert_eq!(registered[0].r#type, first.widen(second), "{first} and {second}");
                assert_eq!((registered[0].first_seen_unix_nano, registered[0].last_seen_unix_nano), (3, 6));
            }
        }
    }

    #[test]
    fn widening_has_no_order() {
        for a in AttributeType::ALL {
            for b in AttributeType::ALL {
                assert_eq!(a.widen(b), b.widen(a));
                for c in AttributeType::ALL {
                    assert_eq!(a.widen(b).widen(c), a.widen(b.widen(c)));
                }
            }
        }
    }
}
