//! What users of docker expect besides.
