//! Expressions that know their type, and how Honeycomb's values become one another.

use datafusion_common::arrow::datatypes::DataType;
use datafusion_common::{DataFusionError, ScalarValue};
use datafusion_expr::expr::{Case, ScalarFunction};
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{Expr, cast, lit, try_cast, when};

/// The types that Honeycomb's columns have. Null is the type of what no row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Null,
    Boolean,
    Integer,
    Float,
    Text,
}

impl Type {
    pub fn of(data_type: &DataType) -> Type {
        match data_type {
            DataType::Null => Type::Null,
            DataType::Boolean => Type::Boolean,
            data_type if data_type.is_integer() => Type::Integer,
            data_type if data_type.is_floating() => Type::Float,
            _ => Type::Text,
        }
    }

    pub fn data_type(self) -> DataType {
        match self {
            Type::Boolean => DataType::Boolean,
            Type::Integer => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::Null | Type::Text => DataType::Utf8,
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Type::Integer | Type::Float)
    }

    /// The type that has room for both.
    pub fn or(self, other: Type) -> Type {
        match (self, other) {
            (Type::Null, known) | (known, Type::Null) => known,
            (same, other) if same == other => same,
            (one, other) if one.is_number() && other.is_number() => Type::Float,
            _ => Type::Text,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Typed {
    pub expr: Expr,
    pub r#type: Type,
}

impl Typed {
    pub fn new(expr: Expr, r#type: Type) -> Typed {
        Typed { expr, r#type }
    }

    pub fn null() -> Typed {
        Typed::new(null_of(Type::Text), Type::Null)
    }

    pub fn boolean(expr: Expr) -> Typed {
        Typed::new(expr, Type::Boolean)
    }

    /// The value in a type that has room for it.
    pub fn widened(self, to: Type) -> Expr {
        match (self.r#type, to) {
            (Type::Null, to) => null_of(to),
            (from, to) if from == to => self.expr,
            (_, to) => cast(self.expr, to.data_type()),
        }
    }

    pub fn text(self) -> Expr {
        self.widened(Type::Text)
    }

    /// A number: texts are read as one, and what is none is zero. Null stays null.
    pub fn number(self) -> Result<Typed, DataFusionError> {
        Ok(match self.r#type {
            Type::Integer | Type::Float => self,
            Type::Null => Typed::new(null_of(Type::Float), Type::Float),
            Type::Boolean => {
                let zero = when(self.expr.is_not_null(), lit(0.0)).otherwise(null_of(Type::Float))?;
                Typed::new(zero, Type::Float)
            }
            Type::Text => {
                let read = try_cast(self.expr.clone(), DataType::Float64);
                let mut or_zero = when(read.clone().is_not_null(), read).when(self.expr.is_not_null(), lit(0.0));
                Typed::new(or_zero.otherwise(null_of(Type::Float))?, Type::Float)
            }
        })
    }

    /// The number that a field has; a text that is none is not there, and neither is a truth value.
    pub fn measured(self) -> Expr {
        match self.r#type {
            Type::Float => self.expr,
            Type::Integer => cast(self.expr, DataType::Float64),
            Type::Text => try_cast(self.expr, DataType::Float64),
            Type::Null | Type::Boolean => null_of(Type::Float),
        }
    }

    /// Whether it counts as true: numbers other than zero and the text `true` do. Never null.
    pub fn truth(self) -> Expr {
        match self.r#type {
            Type::Null => lit(false),
            Type::Boolean => certainly(self.expr),
            Type::Integer => certainly(self.expr.not_eq(lit(0_i64))),
            Type::Float => certainly(self.expr.not_eq(lit(0.0))),
            Type::Text => certainly(self.expr.eq(lit("true"))),
        }
    }

    /// Whether both are the same, of types that can be. Never null.
    pub fn equals(self, other: Typed) -> Expr {
        match (self.r#type, other.r#type) {
            (Type::Null, Type::Null) => lit(true),
            (one, other_type) if one == other_type => certainly(self.expr.eq(other.expr)),
            (one, other_type) if one.is_number() && other_type.is_number() => {
                certainly(self.widened(Type::Float).eq(other.widened(Type::Float)))
            }
            _ => lit(false),
        }
    }
}

/// A condition as true or false, where it is null as false. `IS TRUE` says the same, but plans differ on whether it can be null.
pub fn certainly(condition: Expr) -> Expr {
    let cases = vec![(Box::new(condition), Box::new(lit(true)))];
    Expr::Case(Case::new(None, cases, Some(Box::new(lit(false)))))
}

pub fn null_of(r#type: Type) -> Expr {
    let null = match r#type {
        Type::Boolean => ScalarValue::Boolean(None),
        Type::Integer => ScalarValue::Int64(None),
        Type::Float => ScalarValue::Float64(None),
        Type::Null | Type::Text => ScalarValue::Utf8(None),
    };
    Expr::Literal(null, None)
}

/// A function of the engine's, by its name.
pub fn call(functions: &dyn FunctionRegistry, name: &str, arguments: Vec<Expr>) -> Result<Expr, DataFusionError> {
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(functions.udf(name)?, arguments)))
}
