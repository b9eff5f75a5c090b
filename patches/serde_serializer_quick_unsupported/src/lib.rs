//! The one macro that `serde_avro_fast` takes from a crate of this name, which is LGPL-3.0-only. `[patch.crates-io]`
//! puts this one in its place; the project's docs/dependencies.md says why.
//!
//! Written from `serde::Serializer`'s documentation and from the four places where `serde_avro_fast` calls the macro.

#![no_std]

/// Inside of `impl serde::Serializer`: the methods of these kinds of value, each of which fails with `err`.
///
/// ```ignore
/// serializer_unsupported! { err = (Error::new("expected a string")); bool i8 seq struct }
/// ```
///
/// A kind is the name of a method of `Serializer` without its `serialize_`; the caller needs a crate `serde`.
#[macro_export]
macro_rules! serializer_unsupported {
    (err = $error:tt; $($kind:tt)*) => { $($crate::refuse! { $kind $error })* };
}

/// Which method refuses a kind, and what it is called with.
#[doc(hidden)]
#[macro_export]
macro_rules! refuse {
    (bool $error:tt) => { $crate::method! { $error serialize_bool(bool) } };
    (i8 $error:tt) => { $crate::method! { $error serialize_i8(i8) } };
    (i16 $error:tt) => { $crate::method! { $error serialize_i16(i16) } };
    (i32 $error:tt) => { $crate::method! { $error serialize_i32(i32) } };
    (i64 $error:tt) => { $crate::method! { $error serialize_i64(i64) } };
    (i128 $error:tt) => { $crate::method! { $error serialize_i128(i128) } };
    (u8 $error:tt) => { $crate::method! { $error serialize_u8(u8) } };
    (u16 $error:tt) => { $crate::method! { $error serialize_u16(u16) } };
    (u32 $error:tt) => { $crate::method! { $error serialize_u32(u32) } };
    (u64 $error:tt) => { $crate::method! { $error serialize_u64(u64) } };
    (u128 $error:tt) => { $crate::method! { $error serialize_u128(u128) } };
    (f32 $error:tt) => { $crate::method! { $error serialize_f32(f32) } };
    (f64 $error:tt) => { $crate::method! { $error serialize_f64(f64) } };
    (char $error:tt) => { $crate::method! { $error serialize_char(char) } };
    (str $error:tt) => { $crate::method! { $error serialize_str(&str) } };
    (bytes $error:tt) => { $crate::method! { $error serialize_bytes(&[u8]) } };
    (none $error:tt) => { $crate::method! { $error serialize_none() } };
    (some $error:tt) => { $crate::method! { $error serialize_some<T>(&T) } };
    (unit $error:tt) => { $crate::method! { $error serialize_unit() } };
    (unit_struct $error:tt) => { $crate::method! { $error serialize_unit_struct(&'static str) } };
    (unit_variant $error:tt) => {
        $crate::method! { $error serialize_unit_variant(&'static str, u32, &'static str) }
    };
    (newtype_struct $error:tt) => { $crate::method! { $error serialize_newtype_struct<T>(&'static str, &T) } };
    (newtype_variant $error:tt) => {
        $crate::method! { $error serialize_newtype_variant<T>(&'static str, u32, &'static str, &T) }
    };
    (seq $error:tt) => { $crate::method! { $error serialize_seq(Option<usize>) SerializeSeq } };
    (tuple $error:tt) => { $crate::method! { $error serialize_tuple(usize) SerializeTuple } };
    (tuple_struct $error:tt) => {
        $crate::method! { $error serialize_tuple_struct(&'static str, usize) SerializeTupleStruct }
    };
    (tuple_variant $error:tt) => {
        $crate::method! { $error serialize_tuple_variant(&'static str, u32, &'static str, usize) SerializeTupleVariant }
    };
    (map $error:tt) => { $crate::method! { $error serialize_map(Option<usize>) SerializeMap } };
    (struct $error:tt) => { $crate::method! { $error serialize_struct(&'static str, usize) SerializeStruct } };
    (struct_variant $error:tt) => {
        $crate::method! {
            $error serialize_struct_variant(&'static str, u32, &'static str, usize) SerializeStructVariant
        }
    };
}

/// A method that fails: of a plain value, of a value inside another, or of the beginning of a compound.
#[doc(hidden)]
#[macro_export]
macro_rules! method {
    ($error:tt $name:ident($($argument:ty),*)) => {
        fn $name(self, $(_: $argument),*) -> Result<Self::Ok, Self::Error> {
            Err($error)
        }
    };
    ($error:tt $name:ident<T>($($argument:ty),*)) => {
        fn $name<T: ?Sized + serde::Serialize>(self, $(_: $argument),*) -> Result<Self::Ok, Self::Error> {
            Err($error)
        }
    };
    ($error:tt $name:ident($($argument:ty),*) $compound:ident) => {
        type $compound = serde::ser::Impossible<Self::Ok, Self::Error>;
        fn $name(self, $(_: $argument),*) -> Result<Self::$compound, Self::Error> {
            Err($error)
        }
    };
}
