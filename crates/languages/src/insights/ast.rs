//! What a query says, command by command.

use std::ops::Range;

/// Where in the text something stands. It makes no difference to what a query says, so all places are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    pub start: usize,
    pub end: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Place {
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A pipe of commands, never none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// First, or nowhere.
    Source(Source),
    Fields(Vec<Output>),
    Display(Vec<Output>),
    /// Computes, and shows it beside what is shown; no command of the language's own.
    Eval(Vec<Output>),
    /// Shows these no longer; no command of the language's own.
    Hide(Vec<String>),
    Filter(Expr),
    /// As a filter; what has an index is looked up in it.
    FilterIndex(Expr),
    Parse {
        /// `@message` where the query says nothing.
        from: Option<Expr>,
        pattern: ParsePattern,
        place: Place,
    },
    Stats {
        aggregates: Vec<Output>,
        by: Vec<Output>,
    },
    /// Aggregates beside each row of their groups; no command of the language's own.
    EventStats {
        aggregates: Vec<Output>,
        by: Vec<Output>,
    },
    Sort(Vec<SortKey>),
    /// `limit` and `head`.
    Limit(u64),
    /// The last ones.
    Tail(u64),
    Dedup(Vec<Expr>),
    /// The first rows for each value, in the order there is; no command of the language's own.
    FirstOf {
        rows: u64,
        of: Vec<Expr>,
    },
    /// What is in a structure is found by its own name as well; no command of the language's own.
    Flatten(String),
    /// Moving averages beside each row; no command of the language's own.
    Trendline(Vec<Trend>),
    Pattern(Expr),
    Diff(Period),
    Unnest {
        list: Expr,
        into: String,
    },
    Unmask(Vec<Output>),
    Anomaly,
    Lookup(Lookup),
    Join(Join),
    AddTotals(AddTotals),
    AppendCols(AppendCols),
}

/// The average of a field over the row and those before it, from the row on that has so many.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    pub kind: TrendKind,
    pub rows: u64,
    pub field: Expr,
    pub alias: String,
}

/// Which log groups are asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub selections: Vec<Selection>,
    /// As written: seconds, or a time relative to now.
    pub start: Option<String>,
    pub end: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// One group, by its name or ARN.
    Group(String),
    /// `logGroups(...)`: all that meet every criterion.
    Groups(Vec<(Criterion, Vec<String>)>),
    /// `dataSource([...])`.
    DataSources(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    NamePrefix,
    AccountIdentifiers,
    Class,
    Tags,
}

/// An expression and its name; without one it is called what it is written like.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub expr: Expr,
    pub alias: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ParsePattern {
    /// A name for each star.
    Glob { text: String, names: Vec<String> },
    /// A name for each group.
    Regex { text: String, names: Vec<String> },
}

#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    pub expr: Expr,
    pub descending: bool,
}

/// What `diff` compares with: the time before, of the same length, this far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Previous,
    PreviousHour,
    PreviousDay,
    PreviousWeek,
    PreviousMonth,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub table: String,
    /// A column of the table, and the field that must equal it.
    pub keys: Vec<(String, Expr)>,
    /// Columns of the table and what they are called behind.
    pub outputs: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Whether rows without a partner stay.
    pub keeps_left: bool,
    pub left: String,
    pub right: String,
    /// Fields of the left and of the right, without their aliases.
    pub on: Vec<(String, String)>,
    pub query: Query,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AddTotals {
    pub field_name: String,
    pub row: bool,
    pub col: bool,
    /// All numbers when empty.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AppendCols {
    pub overrides: bool,
    pub max: u64,
    pub query: Query,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `@message`, `a.b.0.c`; `a[0]["b"]` is `a.0.b`.
    Field {
        name: String,
        place: Place,
    },
    Number {
        text: String,
        value: f64,
        place: Place,
    },
    Text(String),
    Boolean(bool),
    /// `5m`, as in bin().
    Span(TimeSpan),
    /// The star in count(*).
    Star,
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary {
        operator: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
        place: Place,
    },
    In {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
        place: Place,
    },
    /// A part of the text, or a regular expression that is found in it.
    Like {
        expr: Box<Expr>,
        pattern: LikePattern,
        negated: bool,
    },
    Call {
        function: Function,
        args: Vec<Expr>,
        place: Place,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum LikePattern {
    Text(String),
    Regex(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    pub count: u32,
    pub unit: TimeUnit,
}

macro_rules! words {
    ($(#[$meta:meta])* $kind:ident { $($case:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($case),*
        }

        impl $kind {
            pub const ALL: &[$kind] = &[$($kind::$case),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $($kind::$case => $word),*
                }
            }

            /// The case of a word, whatever the case of its letters.
            pub fn from_word(word: &str) -> Option<$kind> {
                $kind::ALL.iter().copied().find(|case| case.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}

words!(TimeUnit {
    Millisecond = "ms",
    Second = "s",
    Minute = "m",
    Hour = "h",
    Day = "d",
    Week = "w",
    Month = "mo",
    Quarter = "q",
    Year = "y",
});

words!(
    /// Of a moving average: all rows weigh the same, or each one more than the one before.
    TrendKind {
        Simple = "sma",
        Weighted = "wma",
    }
);

words!(Operator {
    Or = "or",
    And = "and",
    Equal = "=",
    NotEqual = "!=",
    Less = "<",
    LessOrEqual = "<=",
    Greater = ">",
    GreaterOrEqual = ">=",
    Plus = "+",
    Minus = "-",
    Times = "*",
    Divide = "/",
    Modulo = "%",
    Power = "^",
});

words!(
    /// Every function, by the name that is printed.
    Function {
        Avg = "avg",
        Count = "count",
        CountDistinct = "count_distinct",
        Max = "max",
        Min = "min",
        Pct = "pct",
        Stddev = "stddev",
        Sum = "sum",
        Earliest = "earliest",
        Latest = "latest",
        SortsFirst = "sortsFirst",
        SortsLast = "sortsLast",
        Abs = "abs",
        Ceil = "ceil",
        Floor = "floor",
        Greatest = "greatest",
        Least = "least",
        Log = "log",
        Sqrt = "sqrt",
        Bin = "bin",
        DateFloor = "datefloor",
        DateCeil = "dateceil",
        FromMillis = "fromMillis",
        ToMillis = "toMillis",
        Now = "now",
        IsEmpty = "isempty",
        IsBlank = "isblank",
        Concat = "concat",
        Ltrim = "ltrim",
        Rtrim = "rtrim",
        Trim = "trim",
        Strlen = "strlen",
        ToUpper = "toupper",
        ToLower = "tolower",
        Substr = "substr",
        Replace = "replace",
        StrContains = "strcontains",
        IsPresent = "ispresent",
        Coalesce = "coalesce",
        If = "if",
        Case = "case",
        JsonParse = "jsonParse",
        JsonStringify = "jsonStringify",
        IsValidIp = "isValidIp",
        IsValidIpV4 = "isValidIpV4",
        IsValidIpV6 = "isValidIpV6",
        IsIpInSubnet = "isIpInSubnet",
        IsIpv4InSubnet = "isIpv4InSubnet",
        IsIpv6InSubnet = "isIpv6InSubnet",
    }
);

impl Function {
    pub fn is_aggregate(self) -> bool {
        (self as usize) <= (Function::SortsLast as usize)
    }

    /// The least and the most arguments it takes.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Function::Now => (0, 0),
            Function::Count => (0, 1),
            Function::Pct | Function::DateFloor | Function::DateCeil | Function::StrContains => (2, 2),
            Function::IsIpInSubnet | Function::IsIpv4InSubnet | Function::IsIpv6InSubnet => (2, 2),
            Function::Ltrim | Function::Rtrim | Function::Trim => (1, 2),
            Function::Substr => (2, 3),
            Function::Replace | Function::If => (3, 3),
            Function::Greatest | Function::Least | Function::Concat | Function::Coalesce => (1, usize::MAX),
            Function::Case => (2, usize::MAX),
            _ => (1, 1),
        }
    }
}

impl Criterion {
    pub const ALL: &[Criterion] = &[Criterion::NamePrefix, Criterion::AccountIdentifiers, Criterion::Class, Criterion::Tags];

    pub fn as_str(self) -> &'static str {
        match self {
            Criterion::NamePrefix => "namePrefix",
            Criterion::AccountIdentifiers => "accountIdentifiers",
            Criterion::Class => "class",
            Criterion::Tags => "tags",
        }
    }
}

impl Period {
    pub const ALL: &[Period] =
        &[Period::Previous, Period::PreviousHour, Period::PreviousDay, Period::PreviousWeek, Period::PreviousMonth];

    pub fn as_str(self) -> &'static str {
        match self {
            Period::Previous => "previousPeriod",
            Period::PreviousHour => "previousHour",
            Period::PreviousDay => "previousDay",
            Period::PreviousWeek => "previousWeek",
            Period::PreviousMonth => "previousMonth",
        }
    }
}

impl Expr {
    /// Whether an aggregate stands in it.
    pub fn has_aggregate(&self) -> bool {
        match self {
            Expr::Call { function, args, .. } => function.is_aggregate() || args.iter().any(Expr::has_aggregate),
            Expr::Not(inner) | Expr::Negative(inner) => inner.has_aggregate(),
            Expr::Binary { left, right, .. } => left.has_aggregate() || right.has_aggregate(),
            Expr::In { expr, list, .. } => expr.has_aggregate() || list.iter().any(Expr::has_aggregate),
            Expr::InQuery { expr, .. } | Expr::Like { expr, .. } => expr.has_aggregate(),
            Expr::Field { .. } | Expr::Number { .. } | Expr::Text(_) | Expr::Boolean(_) | Expr::Span(_) | Expr::Star => false,
        }
    }
}

impl Output {
    /// What its column is called.
    pub fn name(&self) -> String {
        match (&self.alias, &self.expr) {
            (Some(alias), _) => alias.clone(),
            (None, Expr::Field { name, .. }) => name.clone(),
            (None, expr) => expr.to_string(),
        }
    }
}
