//! Calculated fields and formulas -> expressions. What a function means is Honeycomb's; every result has one type.

use datafusion_common::DataFusionError;
use datafusion_common::arrow::datatypes::{DataType, TimeUnit};
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{Expr, cast, ident, lit, try_cast, when};

use super::calculated::{ExpressionError, Function, Node, NodeKind};
use super::error::SpecificationError;
use super::typed::{Type, Typed, call, certainly, null_of};

/// Rows have these beside their fields.
pub const TIME: &str = "time";
pub const RECEIVED_AT: &str = "received_at";

/// Why an expression has no plan: its text is at fault, or that of a field it names, or a function is not there.
#[derive(Debug)]
pub enum Unlowered {
    Text(ExpressionError),
    /// The text of another expression that this one names.
    Elsewhere(SpecificationError),
    Plan(DataFusionError),
}

impl From<DataFusionError> for Unlowered {
    fn from(error: DataFusionError) -> Unlowered {
        Unlowered::Plan(error)
    }
}

type Lowered<T> = Result<T, Unlowered>;

/// What an expression may use.
pub struct Scope<'a> {
    pub functions: &'a dyn FunctionRegistry,
    /// What a column's name stands for.
    pub column: &'a dyn Fn(&str) -> Lowered<Option<Typed>>,
    /// Whether there is a row to take times from.
    pub has_row: bool,
}

fn fault<T>(node: &Node, message: impl Into<String>) -> Lowered<T> {
    Err(Unlowered::Text(ExpressionError::new(node.span.clone(), message)))
}

impl Scope<'_> {
    pub fn lower(&self, node: &Node) -> Lowered<Typed> {
        Ok(match &node.kind {
            NodeKind::Column(name) => match (self.column)(name)? {
                Some(value) => value,
                None => return fault(node, format!("nothing here is called {name:?}")),
            },
            NodeKind::Integer(number) => Typed::new(lit(*number), Type::Integer),
            NodeKind::Float(number) => Typed::new(lit(*number), Type::Float),
            NodeKind::Text(text) => Typed::new(lit(text.as_str()), Type::Text),
            NodeKind::Boolean(value) => Typed::boolean(lit(*value)),
            NodeKind::Null => Typed::null(),
            NodeKind::Call(function, arguments) => self.call(node, *function, arguments)?,
        })
    }

    fn all(&self, nodes: &[Node]) -> Lowered<Vec<Typed>> {
        nodes.iter().map(|node| self.lower(node)).collect()
    }

    fn function(&self, name: &str, arguments: Vec<Expr>) -> Lowered<Expr> {
        Ok(call(self.functions, name, arguments)?)
    }

    fn call(&self, node: &Node, function: Function, arguments: &[Node]) -> Lowered<Typed> {
        match function {
            Function::If => self.conditional(arguments),
            Function::Switch => self.switch(arguments),
            Function::Bucket => self.bucket(node, arguments),
            Function::Length => self.length(arguments),
            Function::FormatTime => self.format_time(arguments),
            Function::Last | Function::Summarize | Function::Increase | Function::Rate => {
                fault(node, format!("{} is for metrics datasets, as the whole of a field", function.as_str()))
            }
            Function::EventTimestamp | Function::IngestTimestamp => {
                if !self.has_row {
                    return fault(node, format!("{} is of a row, and a formula has none", function.as_str()));
                }
                let column = if function == Function::EventTimestamp { TIME } else { RECEIVED_AT };
                Ok(Typed::new(seconds(ident(column)), Type::Float))
            }
            Function::RegMatch | Function::RegValue | Function::RegCount => {
                if let Some(Node { kind: NodeKind::Text(pattern), .. }) = arguments.get(1)
                    && let Err(error) = regex::Regex::new(pattern)
                {
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    return fault(&arguments[1], format!("expected a regular expression: {why}"));
                }
                self.plain(function, self.all(arguments)?)
            }
            _ => self.plain(function, self.all(arguments)?),
        }
    }

    /// Functions that treat all arguments alike.
    fn plain(&self, function: Function, mut arguments: Vec<Typed>) -> Lowered<Typed> {
        use Function as F;
        match function {
            F::Coalesce => {
                let r#type = common(&arguments);
                let values = arguments.into_iter().map(|one| one.widened(r#type)).collect();
                return Ok(Typed::new(self.function("coalesce", values)?, r#type));
            }
            F::In => {
                let wanted = arguments.remove(0);
                let equal = arguments.into_iter().map(|one| wanted.clone().equals(one));
                return Ok(Typed::boolean(equal.reduce(Expr::or).unwrap_or_else(|| lit(false))));
            }
            F::And | F::Or => {
                let join = if function == F::And { Expr::and } else { Expr::or };
                let truths = arguments.into_iter().map(Typed::truth);
                return Ok(Typed::boolean(truths.reduce(join).unwrap_or_else(|| lit(false))));
            }
            F::Sum | F::Mul => {
                let join = if function == F::Sum { |a, b| a + b } else { |a: Expr, b: Expr| a * b };
                let numbers = numbers(arguments)?;
                let r#type = common(&numbers);
                let joined = numbers.into_iter().map(|one| one.widened(r#type)).reduce(join);
                return Ok(Typed::new(joined.unwrap_or_else(|| lit(0_i64)), r#type));
            }
            F::Min | F::Max => {
                let name = if function == F::Min { "least" } else { "greatest" };
                let first = arguments.first().map_or(Type::Null, |one| one.r#type);
                let (r#type, values) = match first {
                    Type::Text => (Type::Text, arguments.into_iter().map(Typed::text).collect()),
                    _ => (Type::Float, arguments.into_iter().map(Typed::measured).collect()),
                };
                return Ok(Typed::new(self.function(name, values)?, r#type));
            }
            F::Concat => {
                let texts = arguments.into_iter().map(Typed::text).collect();
                return Ok(Typed::new(self.function("concat", texts)?, Type::Text));
            }
            _ => {}
        }
        let mut arguments = arguments.into_iter();
        let (Some(first), second) = (arguments.next(), arguments.next()) else { return Ok(Typed::null()) };
        match second {
            None => self.of_one(function, first),
            Some(second) => self.of_two(function, first, second),
        }
    }

    fn of_one(&self, function: Function, value: Typed) -> Lowered<Typed> {
        use Function as F;
        Ok(match function {
            F::Exists => Typed::boolean(value.expr.is_not_null()),
            F::Not => Typed::boolean(Expr::Not(Box::new(value.truth()))),
            F::Log10 => {
                let number = value.number()?.widened(Type::Float);
                let positive = when(number.clone().gt(lit(0.0)), number).otherwise(null_of(Type::Float))?;
                Typed::new(self.function("log10", vec![positive])?, Type::Float)
            }
            F::Int => match value.r#type {
                Type::Integer => value,
                Type::Boolean => Typed::new(cast(value.expr, DataType::Int64), Type::Integer),
                _ => Typed::new(try_cast(value.measured(), DataType::Int64), Type::Integer),
            },
            F::Float => match value.r#type {
                Type::Boolean => Typed::new(cast(cast(value.expr, DataType::Int64), DataType::Float64), Type::Float),
                _ => Typed::new(value.measured(), Type::Float),
            },
            F::Bool => {
                let there = value.expr.clone().is_not_null();
                Typed::boolean(when(there, value.truth()).otherwise(null_of(Type::Boolean))?)
            }
            F::Text => Typed::new(value.text(), Type::Text),
            F::ToLower => Typed::new(self.function("lower", vec![value.text()])?, Type::Text),
            F::UnixTimestamp => match value.r#type {
                Type::Integer | Type::Float => Typed::new(value.widened(Type::Float), Type::Float),
                _ => Typed::new(seconds(try_cast(value.text(), instant())), Type::Float),
            },
            _ => Typed::null(),
        })
    }

    fn of_two(&self, function: Function, left: Typed, right: Typed) -> Lowered<Typed> {
        use Function as F;
        let tested = |name: &str, left: Expr, right: Expr| -> Lowered<Typed> {
            Ok(Typed::boolean(certainly(self.function(name, vec![left, right])?)))
        };
        match function {
            F::Lt | F::Lte | F::Gt | F::Gte => Ok(Typed::boolean(ordered(function, left, right))),
            F::Equals => Ok(Typed::boolean(left.equals(right))),
            F::Sub => {
                let (left, right) = (left.number()?, right.number()?);
                let r#type = left.r#type.or(right.r#type);
                Ok(Typed::new(left.widened(r#type) - right.widened(r#type), r#type))
            }
            F::Div => {
                let (left, right) = (left.number()?.widened(Type::Float), right.number()?.widened(Type::Float));
                Ok(Typed::new(left / self.function("nullif", vec![right, lit(0.0)])?, Type::Float))
            }
            F::Mod => {
                let (left, right) = (left.number()?, right.number()?);
                let r#type = left.r#type.or(right.r#type);
                let zero = if r#type == Type::Integer { lit(0_i64) } else { lit(0.0) };
                let divisor = self.function("nullif", vec![right.widened(r#type), zero])?;
                Ok(Typed::new(left.widened(r#type) % divisor, r#type))
            }
            F::StartsWith => tested("starts_with", left.text(), right.text()),
            F::EndsWith => tested("ends_with", left.text(), right.text()),
            F::Contains => tested("contains", left.text(), right.text()),
            F::Search => {
                let lower = |value: Typed| self.function("lower", vec![value.text()]);
                tested("contains", lower(left)?, lower(right)?)
            }
            F::RegMatch => tested("regexp_like", left.text(), right.text()),
            F::RegCount => Ok(Typed::new(self.function("regexp_count", vec![left.text(), right.text()])?, Type::Integer)),
            F::RegValue => {
                let groups = self.function("regexp_match", vec![left.text(), right.text()])?;
                Ok(Typed::new(self.function("array_element", vec![groups, lit(1_i64)])?, Type::Text))
            }
            _ => Ok(Typed::null()),
        }
    }

    /// Pairs of condition and value, and maybe what else.
    fn conditional(&self, arguments: &[Node]) -> Lowered<Typed> {
        let mut pairs = Vec::new();
        let mut chunks = arguments.chunks_exact(2);
        for chunk in &mut chunks {
            pairs.push((self.lower(&chunk[0])?.truth(), self.lower(&chunk[1])?));
        }
        let otherwise = chunks.remainder().first().map(|node| self.lower(node)).transpose()?;
        choice(pairs, otherwise)
    }

    fn switch(&self, arguments: &[Node]) -> Lowered<Typed> {
        let [wanted, rest @ ..] = arguments else { return Ok(Typed::null()) };
        let wanted = self.lower(wanted)?;
        let mut pairs = Vec::new();
        let mut chunks = rest.chunks_exact(2);
        for chunk in &mut chunks {
            pairs.push((wanted.clone().equals(self.lower(&chunk[0])?), self.lower(&chunk[1])?));
        }
        let otherwise = chunks.remainder().first().map(|node| self.lower(node)).transpose()?;
        choice(pairs, otherwise)
    }

    /// The range that a number falls in, as a text: `500 - 1000`, and `< 0`, `> 3000` beyond its bounds.
    fn bucket(&self, node: &Node, arguments: &[Node]) -> Lowered<Typed> {
        let constant = |place: usize, what: &str| match arguments.get(place) {
            None => Ok(None),
            Some(node) => match constant(node) {
                Some(number) => Ok(Some(number)),
                None => fault(node, format!("expected a number for the {what} of BUCKET")),
            },
        };
        let Some(value) = arguments.first() else { return Ok(Typed::null()) };
        let value = self.lower(value)?.measured();
        let (size, least, most) = (constant(1, "size")?.unwrap_or(0.0), constant(2, "least")?, constant(3, "most")?);
        if size <= 0.0 {
            return fault(arguments.get(1).unwrap_or(node), "expected a size above zero");
        }
        let base = least.unwrap_or(0.0);
        let is_whole = [size, base, most.unwrap_or(0.0)].iter().all(|number| number.fract() == 0.0);
        let told = |number: Expr| match is_whole {
            true => cast(cast(number, DataType::Int64), DataType::Utf8),
            false => cast(number, DataType::Utf8),
        };
        let steps = self.function("floor", vec![(value.clone() - lit(base)) / lit(size)])?;
        let lower = steps * lit(size) + lit(base);
        let range = vec![told(lower.clone()), lit(" - "), told(lower + lit(size))];
        let range = self.function("concat", range)?;
        let plain = |number: f64| if is_whole { format!("{}", number as i64) } else { number.to_string() };
        let mut cases = when(value.clone().is_null(), null_of(Type::Text));
        if let Some(least) = least {
            cases = cases.when(value.clone().lt(lit(least)), lit(format!("< {}", plain(least))));
        }
        if let Some(most) = most {
            cases = cases.when(value.gt_eq(lit(most)), lit(format!("> {}", plain(most))));
        }
        Ok(Typed::new(cases.otherwise(range)?, Type::Text))
    }

    /// Of characters, or of bytes when asked for.
    fn length(&self, arguments: &[Node]) -> Lowered<Typed> {
        let name = match arguments.get(1) {
            None => "character_length",
            Some(Node { kind: NodeKind::Text(unit), .. }) if unit == "chars" => "character_length",
            Some(Node { kind: NodeKind::Text(unit), .. }) if unit == "bytes" => "octet_length",
            Some(other) => return fault(other, "expected \"bytes\" or \"chars\""),
        };
        let Some(value) = arguments.first() else { return Ok(Typed::null()) };
        let length = self.function(name, vec![self.lower(value)?.text()])?;
        Ok(Typed::new(cast(length, DataType::Int64), Type::Integer))
    }

    fn format_time(&self, arguments: &[Node]) -> Lowered<Typed> {
        let [format, time] = arguments else { return Ok(Typed::null()) };
        if !matches!(format.kind, NodeKind::Text(_)) {
            return fault(format, "expected a format such as \"%Y-%m-%d\"");
        }
        let format = self.lower(format)?.text();
        let nanos = cast(self.lower(time)?.measured() * lit(1e9), DataType::Int64);
        let time = cast(nanos, DataType::Timestamp(TimeUnit::Nanosecond, None));
        Ok(Typed::new(self.function("to_char", vec![time, format])?, Type::Text))
    }
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// A time as seconds since 1970.
fn seconds(time: Expr) -> Expr {
    cast(cast(time, DataType::Int64), DataType::Float64) / lit(1e9)
}

fn common(values: &[Typed]) -> Type {
    values.iter().fold(Type::Null, |known, one| known.or(one.r#type))
}

fn numbers(values: Vec<Typed>) -> Lowered<Vec<Typed>> {
    Ok(values.into_iter().map(Typed::number).collect::<Result<_, _>>()?)
}

fn constant(node: &Node) -> Option<f64> {
    match node.kind {
        NodeKind::Integer(number) => Some(number as f64),
        NodeKind::Float(number) => Some(number),
        _ => None,
    }
}

/// Numbers with numbers, texts with texts; all else is false.
fn ordered(function: Function, left: Typed, right: Typed) -> Expr {
    let (left, right) = match (left.r#type, right.r#type) {
        (one, other) if one.is_number() && other.is_number() => {
            let r#type = one.or(other);
            (left.widened(r#type), right.widened(r#type))
        }
        (Type::Text, Type::Text) => (left.expr, right.expr),
        _ => return lit(false),
    };
    certainly(match function {
        Function::Lt => left.lt(right),
        Function::Lte => left.lt_eq(right),
        Function::Gt => left.gt(right),
        _ => left.gt_eq(right),
    })
}

fn choice(pairs: Vec<(Expr, Typed)>, otherwise: Option<Typed>) -> Lowered<Typed> {
    let otherwise = otherwise.unwrap_or_else(Typed::null);
    let r#type = pairs.iter().fold(otherwise.r#type, |known, (_, value)| known.or(value.r#type));
    let mut pairs = pairs.into_iter();
    let Some((condition, value)) = pairs.next() else { return Ok(Typed::new(otherwise.widened(r#type), r#type)) };
    let mut cases = when(condition, value.widened(r#type));
    for (condition, value) in pairs {
        cases = cases.when(condition, value.widened(r#type));
    }
    Ok(Typed::new(cases.otherwise(otherwise.widened(r#type))?, r#type))
}
