//! From columns to values, with an error that names the row when a value cannot be read.

use base::{Name, PhoneNumber, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::HistoryError;

/// A row under decoding.
pub(crate) struct Columns<'r> {
    row: &'r AnyRow,
    id: String,
}

impl<'r> Columns<'r> {
    /// Of a row whose id stands in the column `key`.
    pub(crate) fn new(row: &'r AnyRow, key: &'static str) -> Result<Self, HistoryError> {
        Ok(Self { id: row.try_get(key)?, row })
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, HistoryError> {
        Ok(self.row.try_get(column)?)
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<String>, HistoryError> {
        Ok(self.row.try_get(column)?)
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64, HistoryError> {
        Ok(self.row.try_get(column)?)
    }

    pub(crate) fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, HistoryError> {
        Ok(self.row.try_get(column)?)
    }

    pub(crate) fn maybe_float(&self, column: &'static str) -> Result<Option<f64>, HistoryError> {
        Ok(self.row.try_get(column)?)
    }

    pub(crate) fn maybe_name(&self, column: &'static str) -> Result<Option<Name>, HistoryError> {
        Ok(self.maybe_text(column)?.map(Name::from))
    }

    pub(crate) fn moment(&self, column: &'static str) -> Result<Timestamp, HistoryError> {
        let micros = self.int(column)?;
        Timestamp::from_microsecond(micros).map_err(|_| self.bad(column, micros.to_string()))
    }

    pub(crate) fn maybe_number(&self, column: &'static str) -> Result<Option<PhoneNumber>, HistoryError> {
        self.maybe_read(column, PhoneNumber::normalise)
    }

    /// A column that `read` must understand.
    pub(crate) fn read<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, HistoryError> {
        let text = self.text(column)?;
        read(&text).ok_or_else(|| self.bad(column, text))
    }

    /// A column that is NULL, or that `read` must understand.
    pub(crate) fn maybe_read<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, HistoryError> {
        match self.maybe_text(column)? {
            None => Ok(None),
            Some(text) => read(&text).map(Some).ok_or_else(|| self.bad(column, text)),
        }
    }

    pub(crate) fn bad(&self, column: &'static str, found: String) -> HistoryError {
        HistoryError::BadRow { call: self.id.clone(), column, found }
    }
}
