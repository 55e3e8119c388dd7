//! What is protected in events: texts are told with it masked, numbers that are it are told as missing.
//!
//! Quirks:  where an event comes from and what its trace is called is never masked in its fields, only in the whole message

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use analysis::sensitive::Masks;
use arrow::array::{Array, AsArray, BooleanArray, StringArray};
use arrow::compute::{cast, nullif};
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::ident;
use languages::insights::RAW_PREFIX;
use model::Signal;

use super::events::{EVENT_ID, GROUP, STREAM};

/// Columns whose values say where an event comes from, and are no one's secret.
const OPEN_COLUMNS: [&str; 14] = [
    GROUP,
    STREAM,
    EVENT_ID,
    "receiver",
    "service.name",
    "severity_text",
    "error.group",
    "exception.type",
    "event_name",
    "kind",
    "status_code",
    "durationNano",
    "startTimeUnixNano",
    "endTimeUnixNano",
];

/// What is protected in every group, and what in single ones.
#[derive(Clone, Debug, Default)]
pub struct GroupMasks(Arc<Protected>);

#[derive(Debug, Default)]
struct Protected {
    everywhere: Option<Arc<Masks>>,
    of_groups: HashMap<String, Arc<Masks>>,
}

impl GroupMasks {
    /// `of_groups` has all that is masked in those groups, also what is everywhere.
    pub fn new(everywhere: Option<Arc<Masks>>, of_groups: HashMap<String, Arc<Masks>>) -> GroupMasks {
        GroupMasks(Arc::new(Protected { everywhere, of_groups }))
    }

    fn is_empty(&self) -> bool {
        self.0.everywhere.is_none() && self.0.of_groups.is_empty()
    }

    fn of(&self, group: &str) -> Option<&Masks> {
        self.0.of_groups.get(group).or(self.0.everywhere.as_ref()).map(Arc::as_ref)
    }
}

impl PartialEq for GroupMasks {
    fn eq(&self, other: &GroupMasks) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for GroupMasks {}

impl Hash for GroupMasks {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Events without what is protected in their group; beside it what was sent, for who may see it.
pub(super) fn protected(
    plan: LogicalPlan,
    signal: Signal,
    masks: &GroupMasks,
    may_unmask: bool,
) -> Result<LogicalPlan, DataFusionError> {
    // Without the column no event is of a group.
    if masks.is_empty() || !plan.schema().has_column_with_unqualified_name(GROUP) {
        return Ok(plan);
    }
    let mut exprs = Vec::new();
    for (column, field) in plan.schema().columns().into_iter().zip(plan.schema().fields()) {
        let name = column.name.clone();
        let may_hold = match field.data_type() {
            DataType::Utf8 | DataType::Utf8View => true,
            DataType::Int64 | DataType::Float64 => !store::columns::is_fixed(signal, &name),
            _ => false,
        };
        if !may_hold || OPEN_COLUMNS.contains(&name.as_str()) {
            exprs.push(Expr::Column(column));
            continue;
        }
        if may_unmask {
            exprs.push(Expr::Column(column.clone()).alias(format!("{RAW_PREFIX}{name}")));
        }
        exprs.push(masked(Expr::Column(column), masks).alias(name));
    }
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

fn masked(value: Expr, masks: &GroupMasks) -> Expr {
    let function = Masked { masks: masks.clone(), signature: Signature::any(2, Volatility::Immutable) };
    ScalarUDF::from(function).call(vec![value, ident(GROUP)])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Masked {
    masks: GroupMasks,
    signature: Signature,
}

impl ScalarUDFImpl for Masked {
    fn name(&self) -> &str {
        "masked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types.first() {
            Some(number @ (DataType::Int64 | DataType::Float64)) => number.clone(),
            _ => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [values, groups] = arrays.as_slice() else {
            return datafusion::common::exec_err!("masked takes a value and a group");
        };
        let (texts, groups) = (cast(values, &DataType::Utf8)?, cast(groups, &DataType::Utf8)?);
        let (texts, groups) = (texts.as_string::<i32>(), groups.as_string::<i32>());
        let told = (0..texts.len()).map(|row| {
            let masks = || groups.is_valid(row).then(|| self.masks.of(groups.value(row))).flatten();
            let told = |text| masks().map_or(std::borrow::Cow::Borrowed(text), |masks| masks.mask(text));
            texts.is_valid(row).then(|| told(texts.value(row)))
        });
        if self.return_type(&[values.data_type().clone()])? == DataType::Utf8 {
            return Ok(ColumnarValue::Array(Arc::new(told.collect::<StringArray>())));
        }
        let is_protected: BooleanArray = told.map(|told| Some(matches!(told, Some(std::borrow::Cow::Owned(_))))).collect();
        Ok(ColumnarValue::Array(nullif(values, &is_protected)?))
    }
}
