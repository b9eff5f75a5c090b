//! JSON to values of CEL, and back.

use super::MAX_INPUT_BYTES;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString,
    CelTimestamp, CelUInt,
};
use cel::common::value::Val;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A JSON value as CEL sees it: whole numbers are `int` (`uint` above its range), others `double`. Texts are borrowed.
pub(super) fn to_cel<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Box::new(CelInt::from(int)),
            (None, Some(uint)) => Box::new(CelUInt::from(uint)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(to_cel).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                members.iter().map(|(name, member)| (CelMapKey::from(name.as_str()), to_cel(member))).collect();
            Box::new(CelMap::from(members))
        }
    }
}

/// Appends a value of CEL as JSON, as CEL's specification maps them: bytes as base64, timestamps as RFC 3339,
/// durations as seconds (`"1.5s"`), keys of maps as text; an empty optional is null. Members come out sorted.
///
/// # Errors
/// For what JSON has not: numbers that are not finite, types.
pub(super) fn write_json(value: &(dyn Val + '_), text: &mut String) -> Result<(), String> {
    if text.len() > MAX_INPUT_BYTES {
        return Err(format!("its value is larger than {MAX_INPUT_BYTES} bytes; name only what the node needs"));
    }
    if let Some(string) = value.downcast_ref::<CelString>() {
        text.push_str(&super::quoted(string.inner()));
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        write_map(map, text)?;
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        text.push('[');
        for (i, item) in list.inner().iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            write_json(item.as_ref(), text)?;
        }
        text.push(']');
    } else if let Some(optional) = value.downcast_ref::<CelOptional>() {
        match optional.option() {
            Some(value) => write_json(value, text)?,
            None => text.push_str("null"),
        }
    } else {
        text.push_str(&scalar(value)?);
    }
    Ok(())
}

fn scalar(value: &(dyn Val + '_)) -> Result<String, String> {
    if value.downcast_ref::<CelNull>().is_some() {
        Ok("null".to_owned())
    } else if let Some(truth) = value.downcast_ref::<CelBool>() {
        Ok(truth.inner().to_string())
    } else if let Some(int) = value.downcast_ref::<CelInt>() {
        Ok(int.inner().to_string())
    } else if let Some(double) = value.downcast_ref::<CelDouble>() {
        let number = serde_json::Number::from_f64(*double.inner());
        number
            .map(|number| number.to_string())
            .ok_or_else(|| format!("its value is {}, which JSON has not", double.inner()))
    } else if let Some(uint) = value.downcast_ref::<CelUInt>() {
        Ok(uint.inner().to_string())
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        Ok(super::quoted(&BASE64_STANDARD.encode(bytes.inner())))
    } else if let Some(timestamp) = value.downcast_ref::<CelTimestamp>() {
        let text = timestamp.inner().to_rfc3339();
        Ok(super::quoted(&text.strip_suffix("+00:00").map_or(text.clone(), |utc| format!("{utc}Z"))))
    } else if let Some(duration) = value.downcast_ref::<CelDuration>() {
        Ok(super::quoted(&seconds(duration.inner().num_seconds(), duration.inner().subsec_nanos())))
    } else {
        Err(format!("its value is of type {}, which JSON has not", value.get_type().name()))
    }
}

/// Seconds and nanoseconds, of the same sign, as a decimal with the unit.
fn seconds(whole: i64, nanos: i32) -> String {
    let sign = if whole < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}s", whole.unsigned_abs()),
        fraction => format!("{sign}{}.{fraction}s", whole.unsigned_abs()),
    }
}

fn write_map(map: &CelMap<'_>, text: &mut String) -> Result<(), String> {
    let mut members = BTreeMap::new();
    for (key, member) in map.inner() {
        let name = match key.inner().downcast_ref::<CelString>() {
            Some(name) => name.inner().to_owned(),
            None => scalar(key.inner())?,
        };
        if members.insert(name.clone(), member).is_some() {
            return Err(format!("its value has two members that JSON would both call {name:?}"));
        }
    }
    text.push('{');
    for (i, (name, member)) in members.into_iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&super::quoted(&name));
        text.push(':');
        write_json(member.as_ref(), text)?;
    }
    text.push('}');
    Ok(())
}
