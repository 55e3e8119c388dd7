//! A query specification as it is understood: names are Honeycomb's.

use serde_json::Value;

/// One question. What was not given has Honeycomb's default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuerySpecification {
    pub calculations: Vec<Calculation>,
    pub calculated_fields: Vec<CalculatedField>,
    pub filters: Vec<Filter>,
    pub filter_combination: Combination,
    pub breakdowns: Vec<String>,
    pub orders: Vec<Order>,
    pub havings: Vec<Having>,
    pub formulas: Vec<CalculatedField>,
    pub limit: Option<u32>,
    /// Seconds since 1970.
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    /// Seconds.
    pub time_range: Option<i64>,
    /// Seconds; `None` and zero are for us to choose.
    pub granularity: Option<f64>,
    pub compare_time_offset_seconds: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Calculation {
    pub operation: Operation,
    pub column: Option<String>,
    pub name: Option<String>,
    pub filters: Vec<Filter>,
    pub filter_combination: Combination,
}

impl Calculation {
    pub fn count() -> Calculation {
        Calculation {
            operation: Operation::Count,
            column: None,
            name: None,
            filters: Vec::new(),
            filter_combination: Combination::And,
        }
    }

    /// How results call it: its name, else `OP` or `OP(column)`.
    pub fn label(&self) -> String {
        match (&self.name, &self.column) {
            (Some(name), _) => name.clone(),
            (None, Some(column)) => format!("{}({column})", self.operation.as_str()),
            (None, None) => self.operation.as_str().to_owned(),
        }
    }
}

/// What is calculated of the rows of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    Count,
    Concurrency,
    Sum,
    Avg,
    CountDistinct,
    Heatmap,
    Max,
    Min,
    /// The share of rows below, from 0 to 1.
    Percentile(f64),
    RateAvg,
    RateSum,
    RateMax,
    /// Points of metrics datasets, and values counted by histograms.
    CountDatapoints,
    HistogramCount,
}

impl Operation {
    /// Every operation with its name.
    pub const ALL: [(&'static str, Operation); 26] = [
        ("COUNT", Operation::Count),
        ("CONCURRENCY", Operation::Concurrency),
        ("SUM", Operation::Sum),
        ("AVG", Operation::Avg),
        ("COUNT_DISTINCT", Operation::CountDistinct),
        ("HEATMAP", Operation::Heatmap),
        ("MAX", Operation::Max),
        ("MIN", Operation::Min),
        ("P001", Operation::Percentile(0.001)),
        ("P01", Operation::Percentile(0.01)),
        ("P05", Operation::Percentile(0.05)),
        ("P10", Operation::Percentile(0.10)),
        ("P20", Operation::Percentile(0.20)),
        ("P25", Operation::Percentile(0.25)),
        ("P50", Operation::Percentile(0.50)),
        ("P75", Operation::Percentile(0.75)),
        ("P80", Operation::Percentile(0.80)),
        ("P90", Operation::Percentile(0.90)),
        ("P95", Operation::Percentile(0.95)),
        ("P99", Operation::Percentile(0.99)),
        ("P999", Operation::Percentile(0.999)),
        ("RATE_AVG", Operation::RateAvg),
        ("RATE_SUM", Operation::RateSum),
        ("RATE_MAX", Operation::RateMax),
        ("COUNT_DATAPOINTS", Operation::CountDatapoints),
        ("HISTOGRAM_COUNT", Operation::HistogramCount),
    ];

    pub fn named(name: &str) -> Option<Operation> {
        Operation::ALL.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
    }

    pub fn as_str(self) -> &'static str {
        Operation::ALL.iter().find(|(_, operation)| *operation == self).map_or("", |(name, _)| name)
    }

    pub fn takes_column(self) -> bool {
        !matches!(self, Operation::Count | Operation::Concurrency)
    }

    /// Whether it may do without the column that it takes.
    pub fn does_without_column(self) -> bool {
        self == Operation::CountDatapoints
    }

    /// Whether it compares a step of time with the one before.
    pub fn is_rate(self) -> bool {
        matches!(self, Operation::RateAvg | Operation::RateSum | Operation::RateMax)
    }
}

/// A name for an expression: of a row in calculated fields, of calculations in formulas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalculatedField {
    pub name: String,
    pub expression: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combination {
    #[default]
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub column: String,
    pub operator: FilterOperator,
    /// Null where the operator takes none.
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterOperator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    StartsWith,
    DoesNotStartWith,
    EndsWith,
    DoesNotEndWith,
    Exists,
    DoesNotExist,
    Contains,
    DoesNotContain,
    In,
    NotIn,
}

impl FilterOperator {
    pub const ALL: [(&'static str, FilterOperator); 16] = [
        ("=", FilterOperator::Equal),
        ("!=", FilterOperator::NotEqual),
        (">", FilterOperator::Greater),
        (">=", FilterOperator::GreaterOrEqual),
        ("<", FilterOperator::Less),
        ("<=", FilterOperator::LessOrEqual),
        ("starts-with", FilterOperator::StartsWith),
        ("does-not-start-with", FilterOperator::DoesNotStartWith),
        ("ends-with", FilterOperator::EndsWith),
        ("does-not-end-with", FilterOperator::DoesNotEndWith),
        ("exists", FilterOperator::Exists),
        ("does-not-exist", FilterOperator::DoesNotExist),
        ("contains", FilterOperator::Contains),
        ("does-not-contain", FilterOperator::DoesNotContain),
        ("in", FilterOperator::In),
        ("not-in", FilterOperator::NotIn),
    ];

    pub fn named(name: &str) -> Option<FilterOperator> {
        FilterOperator::ALL.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    /// The operator that this one denies, if it is a denial. A denial holds for rows that lack the field.
    pub fn denied(self) -> Option<FilterOperator> {
        Some(match self {
            FilterOperator::NotEqual => FilterOperator::Equal,
            FilterOperator::DoesNotStartWith => FilterOperator::StartsWith,
            FilterOperator::DoesNotEndWith => FilterOperator::EndsWith,
            FilterOperator::DoesNotExist => FilterOperator::Exists,
            FilterOperator::DoesNotContain => FilterOperator::Contains,
            FilterOperator::NotIn => FilterOperator::In,
            _ => return None,
        })
    }

    pub fn takes_value(self) -> bool {
        !matches!(self, FilterOperator::Exists | FilterOperator::DoesNotExist)
    }

    pub fn takes_list(self) -> bool {
        matches!(self, FilterOperator::In | FilterOperator::NotIn)
    }
}

/// By a breakdown, or by a calculation.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub column: Option<String>,
    pub operation: Option<Operation>,
    pub descending: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Having {
    pub calculation: Operation,
    pub column: Option<String>,
    pub operator: FilterOperator,
    pub value: f64,
}

/// Which span of a trace a field with a prefix is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    Root,
    Parent,
    Child,
    /// Some span of the trace; those of other numbers are looked for by themselves.
    Any(u8),
    None,
}

impl Relation {
    /// The relation that a field's prefix names, and the field behind it.
    pub fn split(column: &str) -> Option<(Relation, &str)> {
        let (prefix, field) = column.split_once('.')?;
        let relation = match prefix {
            "root" => Relation::Root,
            "parent" => Relation::Parent,
            "child" => Relation::Child,
            "any" => Relation::Any(1),
            "any2" => Relation::Any(2),
            "any3" => Relation::Any(3),
            "none" => Relation::None,
            _ => return None,
        };
        (!field.is_empty()).then_some((relation, field))
    }
}
