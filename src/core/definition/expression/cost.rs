//! What an evaluation may cost. The CEL library has no such bound, so it is woven into the expression: every operand
//! of a function, item of a list and range of a loop is wrapped in a call that charges its size to a budget before
//! anyone copies, compares or walks it. A step is one value, or 16 bytes of text, or one part of an expression
//! evaluated once in a loop. An evaluation that runs out fails, also where CEL would have absorbed the error.

use super::check::is_loop;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBool, CelBytes, CelInt, CelList, CelMap, CelMapKey, CelOptional, CelString, DYN_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};
use regex::{Regex, RegexBuilder};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// How many steps the evaluation of one mapping may take. A step is some 100 ns of work and at most 100 bytes of memory, so this is
/// a fraction of a second and of a gigabyte at the very worst; a `filter` and a `map` over ten thousand items of a
/// 1 MB request take a tenth of it.
pub const MAX_STEPS: u64 = 2_000_000;
/// Bytes of text that count as one value.
const BYTES_PER_STEP: usize = 16;
/// Steps for compiling a pattern of `matches`, once per evaluation.
const PATTERN_STEPS: u64 = 20_000;
/// How much memory a compiled pattern may take, in bytes.
const MAX_PATTERN_BYTES: usize = 256 << 10;

const WEIGH: &str = "@weigh";
const SIZED: &str = "@sized";
const SEARCHED: &str = "@searched";
const RANGE: &str = "@range";
const MATCHES: &str = "@matches";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

/// CEL's standard library, and the functions that charge.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let functions: [(&str, usize, cel::common::functions::Function); 5] =
        [(WEIGH, 1, weighed), (SIZED, 1, sized), (SEARCHED, 1, searched), (RANGE, 2, range), (MATCHES, 2, matches)];
    for (name, arguments, function) in functions {
        // The names cannot be written in CEL, so nothing else declares them.
        let _ = env.add_overload(name, name, (0..arguments).map(|_| DYN_TYPE).collect(), function);
    }
    Arc::new(env)
});

/// Does something with a fresh budget.
pub(super) fn within_budget<T>(work: impl FnOnce() -> T) -> T {
    LEFT.set(MAX_STEPS);
    let result = work();
    PATTERNS.with_borrow_mut(HashMap::clear);
    result
}

/// What to say where the budget has run out.
pub(super) fn exhausted(advice: &str) -> Option<String> {
    (LEFT.get() == 0).then(|| format!("costs more than {MAX_STEPS} steps with these values; {advice}"))
}

/// Weaves the charges into an expression.
pub(super) fn weigh(expression: &mut IdedExpr) {
    inside(expression);
    wrap(WEIGH, expression);
}

/// Weaves the charges into the parts of an expression, and leaves it to the caller to charge its value.
fn inside(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
        Expr::Select(select) => inside(&mut select.operand),
        Expr::Call(call) => {
            let copies = matches!(call.func_name.as_str(), operators::OPT_INDEX | operators::OPT_SELECT);
            inside_call(call);
            if copies {
                wrap(WEIGH, expression);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(weigh),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    weigh(&mut entry.key);
                    weigh(&mut entry.value);
                }
            }
        }
        Expr::Struct(structure) => {
            for entry in &mut structure.entries {
                if let EntryExpr::StructField(field) = &mut entry.expr {
                    weigh(&mut field.value);
                }
            }
        }
        Expr::Comprehension(comprehension) => inside_comprehension(comprehension),
    }
}

fn inside_call(call: &mut CallExpr) {
    match call.func_name.as_str() {
        // They look at truth values, or hand a value on.
        operators::CONDITIONAL
        | operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE
        | operators::INDEX
        | operators::OPT_INDEX
        | operators::OPT_SELECT => call.args.iter_mut().for_each(inside),
        "size" => {
            for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                inside(part);
                wrap(SIZED, part);
            }
        }
        operators::IN => {
            for (part, function) in call.args.iter_mut().zip([WEIGH, SEARCHED]) {
                inside(part);
                wrap(function, part);
            }
        }
        // How `map` and `filter` collect: the library knows the shape and appends in place.
        operators::ADD if is_append(call) => call.args.iter_mut().for_each(inside),
        _ => {
            // `optional.of(x)`: the target is no value, but a part of the function's name.
            let target = call.target.as_deref_mut().filter(|target| !is_name(target, "optional"));
            target.into_iter().chain(&mut call.args).for_each(weigh);
            let pattern = call.func_name == "matches" && call.args.len() + usize::from(call.target.is_some()) == 2;
            if pattern {
                call.func_name = MATCHES.to_owned();
                call.args.splice(0..0, call.target.take().map(|target| *target));
            }
        }
    }
}

fn is_name(expression: &IdedExpr, expected: &str) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == expected)
}

fn is_append(call: &CallExpr) -> bool {
    matches!(call.args.as_slice(), [IdedExpr { expr: Expr::Ident(name), .. }, IdedExpr { expr: Expr::List(_), .. }]
        if name.starts_with('@'))
}

fn inside_comprehension(comprehension: &mut ComprehensionExpr) {
    let body = parts(&comprehension.loop_cond) + parts(&comprehension.loop_step);
    inside(&mut comprehension.iter_range);
    if is_loop(comprehension) {
        let range = std::mem::take(&mut comprehension.iter_range);
        let body = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(CelInt::from(body))) };
        comprehension.iter_range = call(RANGE, vec![range, body]);
    }
    if !matches!(&comprehension.accu_init.expr, Expr::Literal(_) | Expr::List(_)) {
        weigh(&mut comprehension.accu_init);
    }
    inside(&mut comprehension.loop_cond);
    inside(&mut comprehension.loop_step);
    inside(&mut comprehension.result);
}

/// How many parts an expression has, the bodies of inner loops left out: those charge for themselves.
fn parts(expression: &IdedExpr) -> i64 {
    let entry = |entry: &EntryExpr| match entry {
        EntryExpr::MapEntry(entry) => parts(&entry.key) + parts(&entry.value),
        EntryExpr::StructField(field) => parts(&field.value),
    };
    1 + match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => 0,
        Expr::Select(select) => parts(&select.operand),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).map(parts).sum(),
        Expr::List(list) => list.elements.iter().map(parts).sum(),
        Expr::Map(map) => map.entries.iter().map(|e| entry(&e.expr)).sum(),
        Expr::Struct(structure) => structure.entries.iter().map(|e| entry(&e.expr)).sum(),
        Expr::Comprehension(inner) => parts(&inner.iter_range) + parts(&inner.accu_init) + parts(&inner.result),
    }
}

fn call(function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }) }
}

fn wrap(function: &str, expression: &mut IdedExpr) {
    let scalar = match &expression.expr {
        // Short by the length of an expression; and the library's own names, which are charged where they are bound.
        Expr::Literal(_) => true,
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(call) => call.func_name == WEIGH,
        _ => false,
    };
    if !scalar {
        let inner = std::mem::take(expression);
        *expression = call(function, vec![inner]);
    }
}

fn charge(steps: u64) -> Result<(), ExecutionError> {
    let left = LEFT.get().saturating_sub(steps);
    LEFT.set(left);
    if left == 0 { Err(ExecutionError::InternalError("too costly".to_owned())) } else { Ok(()) }
}

/// The size of a value in steps, counted no further than what is left of the budget.
fn size(value: &(dyn Val + '_), so_far: u64) -> u64 {
    let so_far = so_far + 1;
    if so_far > LEFT.get() {
        return so_far;
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        so_far + (text.inner().len() / BYTES_PER_STEP) as u64
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().iter().fold(so_far, |so_far, item| over(item.as_ref(), so_far))
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().iter().fold(so_far, |so_far, (key, item)| over(item.as_ref(), over(key.inner(), so_far)))
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        so_far + (bytes.inner().len() / BYTES_PER_STEP) as u64
    } else if let Some(inner) = value.downcast_ref::<CelOptional>().and_then(|optional| optional.option()) {
        size(inner, so_far)
    } else {
        so_far
    }
}

fn over(value: &(dyn Val + '_), so_far: u64) -> u64 {
    if so_far > LEFT.get() { so_far } else { size(value, so_far) }
}

fn single<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)
}

/// Charges a value in full.
fn weighed<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = single(args)?;
    charge(size(value.as_ref(), 0))?;
    Ok(value)
}

/// Charges what `size()` reads: all of a text, but only the length of a list or map.
fn sized<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = single(args)?;
    let is_counted = value.downcast_ref::<CelList>().is_some() || value.downcast_ref::<CelMap>().is_some();
    charge(if is_counted { 1 } else { size(value.as_ref(), 0) })?;
    Ok(value)
}

/// Charges what `in` reads: all of a list, but only one key of a map.
fn searched<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = single(args)?;
    let is_looked_up = value.downcast_ref::<CelMap>().is_some();
    charge(if is_looked_up { 1 } else { size(value.as_ref(), 0) })?;
    Ok(value)
}

/// Charges a loop: each item once, as the loop copies it, and the body once for each item. A map is walked in the
/// order of its keys, so that the same input always gives the same list.
fn range<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let body = args.pop().and_then(|body| body.downcast_ref::<CelInt>().map(|int| int.inner().unsigned_abs()));
    let value = single(args)?;
    let rounds = match value.as_sizer() {
        Some(sizer) => sizer.size().inner().unsigned_abs(),
        None => 0,
    };
    charge(size(value.as_ref(), 0).saturating_add(rounds.saturating_mul(body.unwrap_or(1))))?;
    let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(value) };
    let mut keys: Vec<&CelMapKey> = map.inner().keys().collect();
    keys.sort();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// CEL's `matches` with a bound on the pattern; each pattern is compiled once per evaluation.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let texts: Vec<Option<&CelString>> = args.iter().map(|arg| arg.downcast_ref::<CelString>()).collect();
    let [Some(text), Some(pattern)] = texts.as_slice() else {
        return Err(ExecutionError::InternalError("matches() takes two texts".to_owned()));
    };
    let (text, pattern) = (text.inner(), pattern.inner());
    // The engine is linear in the text, and in the pattern.
    charge(((text.len() / BYTES_PER_STEP + 1) * (pattern.len() / BYTES_PER_STEP + 1)) as u64)?;
    let found = PATTERNS.with_borrow_mut(|patterns| {
        if !patterns.contains_key(pattern) {
            charge(PATTERN_STEPS)?;
            let regex = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
            let regex = regex.map_err(|e| ExecutionError::InternalError(format!("matches(): {e}")))?;
            patterns.insert(pattern.to_owned(), regex);
        }
        Ok(patterns.get(pattern).is_some_and(|regex| regex.is_match(text)))
    });
    found.map(|found: bool| CowVal::owned(CelBool::from(found)))
}
