//! `doctor` on hosts from which something has been taken away for real. Each check has to notice,
//! its remedy has to name the right thing, and, where the disposable host lets it be carried out,
//! the check has to be ok afterwards.

mod control_groups;
mod files;
mod host;
mod namespaces;
mod network;
mod report;
mod roots;
