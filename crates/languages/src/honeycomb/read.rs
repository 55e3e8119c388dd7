//! JSON -> [`QuerySpecification`]. A member that is not known is refused, so that a typo is never a different question.

use serde_json::{Map, Value};

use super::ast::{
    CalculatedField, Calculation, Combination, Filter, FilterOperator, Having, Operation, Order, QuerySpecification, Relation,
};
use super::calculated::parse;
use super::error::SpecificationError;

type Read<T> = Result<T, SpecificationError>;

/// Breakdowns of one query: Honeycomb's bound.
pub const BREAKDOWNS_MAX: usize = 100;

/// Calculations and formulas of one query; each is a column of the answer.
pub const CALCULATIONS_MAX: usize = 100;

/// Filters of one query or calculation: plans are trees as deep as there are filters.
pub const FILTERS_MAX: usize = 100;

/// Rows of one answer: Honeycomb's bound where series are asked for.
pub const LIMIT_MAX: u32 = 1_000;

/// The same without series.
pub const LIMIT_WITHOUT_SERIES_MAX: u32 = 10_000;

/// Honeycomb's offsets for comparing, in seconds: half an hour to half a year.
pub const COMPARE_OFFSETS: [i64; 8] = [1_800, 3_600, 7_200, 28_800, 86_400, 604_800, 2_419_200, 15_724_800];

/// Seconds looked back unless the query says otherwise.
pub const TIME_RANGE_DEFAULT: i64 = 7_200;

/// Steps of one answer.
pub const STEPS_MAX: i64 = 1_000;

impl QuerySpecification {
    /// Reads a specification.
    ///
    /// Refuses: unknown members; operations and operators that are not Honeycomb's; values that do not fit their operator;
    /// expressions that cannot be read;
    /// orders and havings of what is not in the query; start, end and range all at once.
    pub fn from_json(json: &Value) -> Read<QuerySpecification> {
        specification(json)
    }
}

fn specification(json: &Value) -> Read<QuerySpecification> {
    const MEMBERS: &[&str] = &[
        "id",
        "calculations",
        "calculated_fields",
        "filters",
        "filter_combination",
        "breakdowns",
        "orders",
        "havings",
        "formulas",
        "limit",
        "start_time",
        "end_time",
        "time_range",
        "granularity",
        "compare_time_offset_seconds",
    ];
    let object = object(json, "", MEMBERS)?;
    let mut specification = QuerySpecification {
        calculations: list(object, "calculations", CALCULATIONS_MAX, calculation)?,
        calculated_fields: list(object, "calculated_fields", CALCULATIONS_MAX, named_expression)?,
        filters: list(object, "filters", FILTERS_MAX, filter)?,
        filter_combination: combination(object, "")?,
        breakdowns: list(object, "breakdowns", BREAKDOWNS_MAX, |value, path| text(value, path).map(str::to_owned))?,
        orders: list(object, "orders", BREAKDOWNS_MAX, order)?,
        havings: list(object, "havings", FILTERS_MAX, having)?,
        formulas: list(object, "formulas", CALCULATIONS_MAX, named_expression)?,
        limit: whole(object, "limit")?.map(limit).transpose()?,
        start_time: whole(object, "start_time")?,
        end_time: whole(object, "end_time")?,
        time_range: whole(object, "time_range")?,
        granularity: number_of(object, "granularity")?,
        compare_time_offset_seconds: whole(object, "compare_time_offset_seconds")?,
    };
    if specification.calculations.is_empty() {
        specification.calculations.push(Calculation::count());
    }
    check_times(&specification)?;
    check_expressions(&specification)?;
    check_names(&specification)?;
    check_relations(&specification)?;
    check_orders(&specification)?;
    check_havings(&specification)?;
    Ok(specification)
}

fn limit(limit: i64) -> Read<u32> {
    match u32::try_from(limit) {
        Ok(limit) if (1..=LIMIT_WITHOUT_SERIES_MAX).contains(&limit) => Ok(limit),
        _ => Err(SpecificationError::invalid("limit", format!("must be between 1 and {LIMIT_WITHOUT_SERIES_MAX}"))),
    }
}

fn calculation(value: &Value, path: &str) -> Read<Calculation> {
    let object = object(value, path, &["op", "column", "name", "filters", "filter_combination"])?;
    let operation =
        operation(object, path, "op")?.ok_or_else(|| SpecificationError::missing(format!("{path}.op"), "cannot be blank"))?;
    let column = optional_text(object, path, "column")?;
    match (operation.takes_column(), &column) {
        (true, None) if !operation.does_without_column() => {
            let message = format!("{} requires a column", operation.as_str());
            return Err(SpecificationError::missing(format!("{path}.column"), message));
        }
        (false, Some(_)) => {
            let message = format!("{} does not take a column", operation.as_str());
            return Err(SpecificationError::invalid(format!("{path}.column"), message));
        }
        _ => {}
    }
    let name = optional_text(object, path, "name")?;
    let filters = list_at(object, path, "filters", FILTERS_MAX, filter)?;
    if !filters.is_empty() && name.is_none() {
        return Err(SpecificationError::missing(format!("{path}.name"), "is required for a calculation that has filters"));
    }
    Ok(Calculation { operation, column, name, filters, filter_combination: combination(object, path)? })
}

fn named_expression(value: &Value, path: &str) -> Read<CalculatedField> {
    let object = object(value, path, &["name", "expression"])?;
    let required = |member: &str| {
        let missing = || SpecificationError::missing(format!("{path}.{member}"), "cannot be blank");
        optional_text(object, path, member)?.ok_or_else(missing)
    };
    Ok(CalculatedField { name: required("name")?, expression: required("expression")? })
}

fn filter(value: &Value, path: &str) -> Read<Filter> {
    let object = object(value, path, &["column", "op", "value"])?;
    let column = optional_text(object, path, "column")?
        .ok_or_else(|| SpecificationError::missing(format!("{path}.column"), "cannot be blank"))?;
    let operator = filter_operator(object, path)?;
    let value = object.get("value").cloned().unwrap_or(Value::Null);
    let place = format!("{path}.value");
    match &value {
        Value::Null if !operator.takes_value() => {}
        _ if !operator.takes_value() => {
            return Err(SpecificationError::invalid(place, "exists and does-not-exist take no value"));
        }
        Value::Null => return Err(SpecificationError::missing(place, "is required for this operator")),
        Value::Array(items) if operator.takes_list() => {
            if let Some(bad) = items.iter().position(|item| item.is_array() || item.is_object() || item.is_null()) {
                return Err(SpecificationError::incorrect_type(format!("{place}[{bad}]"), "a plain value", &items[bad]));
            }
        }
        other if operator.takes_list() => return Err(SpecificationError::incorrect_type(place, "an array", other)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {}
        other => return Err(SpecificationError::incorrect_type(place, "a string, a number or a boolean", other)),
    }
    Ok(Filter { column, operator, value })
}

fn filter_operator(object: &Map<String, Value>, path: &str) -> Read<FilterOperator> {
    let place = format!("{path}.op");
    let name = optional_text(object, path, "op")?.ok_or_else(|| SpecificationError::missing(&place, "cannot be blank"))?;
    FilterOperator::named(&name).ok_or_else(|| {
        let known: Vec<&str> = FilterOperator::ALL.iter().map(|(name, _)| *name).collect();
        SpecificationError::invalid(place, format!("unknown operator {name:?}: expected one of {}", known.join(" ")))
    })
}

fn order(value: &Value, path: &str) -> Read<Order> {
    let object = object(value, path, &["column", "op", "order"])?;
    let column = optional_text(object, path, "column")?;
    let operation = operation(object, path, "op")?;
    if column.is_none() && operation.is_none() {
        return Err(SpecificationError::missing(format!("{path}.column"), "an order needs a column, an op, or both"));
    }
    let descending = match optional_text(object, path, "order")?.as_deref() {
        None | Some("ascending") => false,
        Some("descending") => true,
        Some(other) => {
            let message = format!("unknown order {other:?}: expected ascending or descending");
            return Err(SpecificationError::invalid(format!("{path}.order"), message));
        }
    };
    Ok(Order { column, operation, descending })
}

fn having(value: &Value, path: &str) -> Read<Having> {
    let object = object(value, path, &["calculate_op", "column", "op", "value"])?;
    let calculation = operation(object, path, "calculate_op")?
        .ok_or_else(|| SpecificationError::missing(format!("{path}.calculate_op"), "cannot be blank"))?;
    if calculation == Operation::Heatmap {
        return Err(SpecificationError::invalid(format!("{path}.calculate_op"), "HEATMAP is not a number to compare with"));
    }
    let operator = filter_operator(object, path)?;
    use FilterOperator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    if !matches!(operator, Equal | NotEqual | Greater | GreaterOrEqual | Less | LessOrEqual) {
        return Err(SpecificationError::invalid(format!("{path}.op"), "expected one of = != > >= < <="));
    }
    let place = format!("{path}.value");
    let value = match object.get("value") {
        None | Some(Value::Null) => return Err(SpecificationError::missing(place, "cannot be blank")),
        Some(value) => value.as_f64().ok_or_else(|| SpecificationError::incorrect_type(place, "a number", value))?,
    };
    Ok(Having { calculation, column: optional_text(object, path, "column")?, operator, value })
}

fn operation(object: &Map<String, Value>, path: &str, member: &str) -> Read<Option<Operation>> {
    let Some(name) = optional_text(object, path, member)? else { return Ok(None) };
    let place = format!("{path}.{member}");
    Operation::named(&name).map(Some).ok_or_else(|| {
        let known: Vec<&str> = Operation::ALL.iter().map(|(name, _)| *name).collect();
        SpecificationError::invalid(place, format!("unknown operation {name:?}: expected one of {}", known.join(" ")))
    })
}

fn combination(object: &Map<String, Value>, path: &str) -> Read<Combination> {
    match optional_text(object, path, "filter_combination")?.as_deref() {
        None | Some("AND") => Ok(Combination::And),
        Some("OR") => Ok(Combination::Or),
        Some(other) => {
            let place = joined(path, "filter_combination");
            Err(SpecificationError::invalid(place, format!("unknown combination {other:?}: expected AND or OR")))
        }
    }
}

fn check_times(specification: &QuerySpecification) -> Read<()> {
    let QuerySpecification { start_time, end_time, time_range, .. } = specification;
    if start_time.is_some() && end_time.is_some() && time_range.is_some() {
        return Err(SpecificationError::invalid("time_range", "start_time, end_time and time_range cannot be given all at once"));
    }
    if let (Some(start), Some(end)) = (start_time, end_time)
        && start >= end
    {
        return Err(SpecificationError::invalid("end_time", "must be after start_time"));
    }
    if time_range.is_some_and(|range| range <= 0) {
        return Err(SpecificationError::invalid("time_range", "must be at least one second"));
    }
    // A century on either side of 1970 is all that nanoseconds have room for, and more.
    for (name, time) in [("start_time", start_time), ("end_time", end_time), ("time_range", time_range)] {
        if time.is_some_and(|time| !(0..=9_000_000_000).contains(&time)) {
            return Err(SpecificationError::invalid(name, "expected seconds, not milliseconds, since 1970"));
        }
    }
    if specification.granularity.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0) {
        return Err(SpecificationError::invalid("granularity", "must be a number of seconds, or 0 for automatic"));
    }
    if let Some(offset) = specification.compare_time_offset_seconds
        && !COMPARE_OFFSETS.contains(&offset)
    {
        let known = COMPARE_OFFSETS.map(|offset| offset.to_string()).join(" ");
        return Err(SpecificationError::invalid("compare_time_offset_seconds", format!("must be one of {known}")));
    }
    Ok(())
}

fn check_expressions(specification: &QuerySpecification) -> Read<()> {
    for (list, fields) in [("calculated_fields", &specification.calculated_fields), ("formulas", &specification.formulas)] {
        for (at, CalculatedField { expression, .. }) in fields.iter().enumerate() {
            let path = format!("{list}[{at}].expression");
            parse(expression).map_err(|error| SpecificationError::invalid(path, error.with_caret(expression)))?;
        }
    }
    Ok(())
}

fn check_names(specification: &QuerySpecification) -> Read<()> {
    let mut seen: Vec<&str> = Vec::new();
    let calculations = specification.calculations.iter().enumerate();
    let calculations = calculations.filter_map(|(at, one)| Some((format!("calculations[{at}].name"), one.name.as_deref()?)));
    let formulas = specification.formulas.iter().enumerate();
    let formulas = formulas.map(|(at, one)| (format!("formulas[{at}].name"), one.name.as_str()));
    for (path, name) in calculations.chain(formulas) {
        if seen.contains(&name) {
            return Err(SpecificationError::invalid(path, format!("{name:?} is already the name of another calculation")));
        }
        seen.push(name);
    }
    Ok(())
}

fn check_relations(specification: &QuerySpecification) -> Read<()> {
    let cannot = |path: String| Err(SpecificationError::invalid(path, "relational fields are for WHERE and GROUP BY only"));
    for (at, calculation) in specification.calculations.iter().enumerate() {
        if calculation.column.as_deref().and_then(Relation::split).is_some() {
            return cannot(format!("calculations[{at}].column"));
        }
        if let Some(bad) = calculation.filters.iter().position(|filter| Relation::split(&filter.column).is_some()) {
            return cannot(format!("calculations[{at}].filters[{bad}].column"));
        }
    }
    if let Some(bad) =
        specification.breakdowns.iter().position(|column| matches!(Relation::split(column), Some((Relation::None, _))))
    {
        return Err(SpecificationError::invalid(format!("breakdowns[{bad}]"), "none. has no span to group by"));
    }
    Ok(())
}

fn check_orders(specification: &QuerySpecification) -> Read<()> {
    for (at, order) in specification.orders.iter().enumerate() {
        let known = match (order.operation, &order.column) {
            (None, Some(column)) => {
                specification.breakdowns.contains(column)
                    || specification.calculations.iter().any(|one| one.name.as_ref() == Some(column))
                    || specification.formulas.iter().any(|one| one.name == *column)
            }
            (Some(operation), column) => specification
                .calculations
                .iter()
                .any(|calculation| calculation.operation == operation && calculation.column == *column),
            (None, None) => false,
        };
        if !known {
            return Err(SpecificationError::invalid(
                format!("orders[{at}]"),
                "must be one of the query's breakdowns or calculations",
            ));
        }
        if order.operation == Some(Operation::Heatmap) {
            return Err(SpecificationError::invalid(format!("orders[{at}].op"), "HEATMAP has no order"));
        }
    }
    Ok(())
}

fn check_havings(specification: &QuerySpecification) -> Read<()> {
    for (at, having) in specification.havings.iter().enumerate() {
        let in_query = |one: &Calculation| one.operation == having.calculation && one.column == having.column;
        if !specification.calculations.iter().any(in_query) {
            let message = "must be one of the query's calculations";
            return Err(SpecificationError::invalid(format!("havings[{at}]"), message));
        }
    }
    Ok(())
}

fn object<'a>(value: &'a Value, path: &str, members: &[&str]) -> Read<&'a Map<String, Value>> {
    let Value::Object(object) = value else { return Err(SpecificationError::incorrect_type(path, "an object", value)) };
    match object.keys().find(|key| !members.contains(&key.as_str())) {
        Some(unknown) => Err(SpecificationError::invalid(joined(path, unknown), "unknown field")),
        None => Ok(object),
    }
}

fn list<T>(object: &Map<String, Value>, member: &str, max: usize, read: impl Fn(&Value, &str) -> Read<T>) -> Read<Vec<T>> {
    list_at(object, "", member, max, read)
}

fn list_at<T>(
    object: &Map<String, Value>,
    path: &str,
    member: &str,
    max: usize,
    read: impl Fn(&Value, &str) -> Read<T>,
) -> Read<Vec<T>> {
    let path = joined(path, member);
    match object.get(member) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() > max => {
            Err(SpecificationError::invalid(path, format!("must have at most {max} entries")))
        }
        Some(Value::Array(items)) => items.iter().enumerate().map(|(at, item)| read(item, &format!("{path}[{at}]"))).collect(),
        Some(other) => Err(SpecificationError::incorrect_type(path, "an array", other)),
    }
}

fn text<'a>(value: &'a Value, path: &str) -> Read<&'a str> {
    value.as_str().ok_or_else(|| SpecificationError::incorrect_type(path, "a string", value))
}

/// A blank text is none.
fn optional_text(object: &Map<String, Value>, path: &str, member: &str) -> Read<Option<String>> {
    match object.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Ok(Some(text(value, &joined(path, member))?).filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

fn whole(object: &Map<String, Value>, member: &str) -> Read<Option<i64>> {
    match object.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let found =
                value.as_i64().or_else(|| value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64));
            found.map(Some).ok_or_else(|| SpecificationError::incorrect_type(member, "a whole number", value))
        }
    }
}

fn number_of(object: &Map<String, Value>, member: &str) -> Read<Option<f64>> {
    match object.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| SpecificationError::incorrect_type(member, "a number", value)),
    }
}

fn joined(path: &str, member: &str) -> String {
    if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") }
}
