//! What is in force for a run: the options, the layers that set them, codexline's config file.

pub(crate) mod accounts;
pub(crate) mod file;
pub(crate) mod layers;
pub mod options;
pub mod settings;
pub(crate) mod values;
