//! Opening hours: is this moment open, closed, a holiday (line-language.md 5.7, rules 1 and 2).
//!
//! What decides about a day, the first that speaks: a special day, a worked weekend day (whose weekday
//! is replaced), a holiday, the weekly hours.

use base::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::line::{Calendar, HolidayHours, Hours, Line, TimeRange, Weekday};

/// The reading of a line's own clock at a moment. An unknown zone counts as UTC; `check` refuses one.
pub fn local(line: &Line, at: Timestamp) -> DateTime {
    at.to_zoned(TimeZone::get(&line.timezone).unwrap_or(TimeZone::UTC)).datetime()
}

impl Line {
    /// Whether these hours are open at this moment; unknown hours never are.
    pub fn is_open(&self, hours: &str, at: Timestamp) -> bool {
        let Some(hours) = self.hours.get(hours) else { return false };
        hours.open_at(self.calendar_of(hours), local(self, at))
    }

    /// Whether this moment's day is a holiday under these hours.
    pub fn is_holiday(&self, hours: &str, at: Timestamp) -> bool {
        let Some(hours) = self.hours.get(hours) else { return false };
        hours.holiday_on(self.calendar_of(hours), local(self, at).date())
    }

    fn calendar_of(&self, hours: &Hours) -> Option<&Calendar> {
        self.calendars.get(hours.calendar.as_ref()?)
    }
}

impl Hours {
    /// Whether they are open at a reading of the line's clock.
    ///
    /// A range over midnight belongs to the day on which it begins: Friday's 22:00-02:00 is open on
    /// Saturday at 01:00, whatever Saturday's own hours are.
    pub fn open_at(&self, calendar: Option<&Calendar>, at: DateTime) -> bool {
        let (date, time) = (at.date(), at.time());
        if self.on(calendar, date).iter().any(|range| range.covers_from_start(time)) {
            return true;
        }
        let Ok(yesterday) = date.yesterday() else { return false };
        self.on(calendar, yesterday).iter().any(|range| range.covers_after_midnight(time))
    }

    /// Whether this day is a holiday; a special day or a worked day never is.
    pub fn holiday_on(&self, calendar: Option<&Calendar>, date: Date) -> bool {
        let Some(calendar) = calendar else { return false };
        let special_hours = self.special_days.get(&date).is_some_and(|day| !day.hours.is_empty());
        !special_hours && !calendar.workdays.contains_key(&date) && calendar.is_holiday(date)
    }

    /// The ranges that hold on a day.
    fn on(&self, calendar: Option<&Calendar>, date: Date) -> &[TimeRange] {
        if let Some(special) = self.special_days.get(&date) {
            return &special.hours;
        }
        if let Some(calendar) = calendar {
            if let Some(worked_as) = calendar.workdays.get(&date) {
                return self.weekly(*worked_as);
            }
            if calendar.is_holiday(date) {
                match &self.holidays {
                    HolidayHours::Closed => return &[],
                    HolidayHours::Ranges(ranges) => return ranges,
                    HolidayHours::Open => {}
                }
            }
        }
        self.weekly(Weekday::of(date))
    }

    fn weekly(&self, day: Weekday) -> &[TimeRange] {
        self.week.get(day as usize).map_or(&[], Vec::as_slice)
    }
}

impl Calendar {
    /// Whether a holiday covers this day.
    pub fn is_holiday(&self, date: Date) -> bool {
        self.holidays.iter().any(|holiday| holiday.from <= date && date <= holiday.to)
    }
}

impl TimeRange {
    /// Whether a time of day lies in it: half-open, over midnight when `to` is not after `from`.
    pub fn covers(self, time: Time) -> bool {
        self.covers_from_start(time) || self.covers_after_midnight(time)
    }

    /// The part that lies on the day on which it begins.
    fn covers_from_start(self, time: Time) -> bool {
        self.from <= time && (time < self.to || self.over_midnight())
    }

    /// The part that lies on the day after.
    fn covers_after_midnight(self, time: Time) -> bool {
        self.over_midnight() && time < self.to
    }

    fn over_midnight(self) -> bool {
        self.to <= self.from
    }
}

impl Weekday {
    /// The days in their order, Monday first.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// The day of the week of a date.
    pub fn of(date: Date) -> Self {
        Self::ALL[date.weekday().to_monday_zero_offset().rem_euclid(7) as usize]
    }

    /// As files write it: `mon`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }

    /// The day that is written `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }
}
