//! What a run goes by: the options, the layers that set them, codexline's config file.

pub mod accounts;
pub mod file;
pub mod layers;
pub mod settings;
pub mod values;
