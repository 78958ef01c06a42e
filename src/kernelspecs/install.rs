//! Writes a kernelspec's directory.
use std::{
    fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::Builder;

use super::{FleetKernelspec, KernelspecError, KernelspecName, installed_in};

/// Permission bits of a new file, of which the user's umask takes its own: others shall be able to read what is
/// installed for them.
const PUBLIC: u32 = 0o666;

/// Installs a kernelspec below a directory of kernelspecs, and returns its own directory. One that leads to the same
/// kernels is replaced.
///
/// A kernelspec is there from the moment when its `kernel.json` is, which is written last, and whole: nobody ever reads
/// half of one.
///
/// # Errors
/// Another kernelspec has the name, or the directory cannot be written to.
pub fn install_unless_another(
    spec: &FleetKernelspec,
    name: &KernelspecName,
    directory: &Path,
) -> Result<PathBuf, KernelspecError> {
    let known = installed_in(directory).into_iter().find(|one| one.name == *name);
    match known {
        Some(known) if known.mark().is_some_and(|mark| *mark != spec.mark) => {
            Err(KernelspecError::LeadsElsewhere { name: name.clone(), path: known.path })
        }
        _ => install(spec, name, directory),
    }
}

/// Installs a kernelspec below a directory of kernelspecs, and returns its own directory. One of ours that has the name
/// is replaced.
///
/// # Errors
/// A kernelspec of somebody else has the name, or the directory cannot be written to.
pub fn install(
    spec: &FleetKernelspec,
    name: &KernelspecName,
    directory: &Path,
) -> Result<PathBuf, KernelspecError> {
    let path = match installed_in(directory).into_iter().find(|one| one.name == *name) {
        Some(ours) if ours.mark().is_some() => ours.path,
        Some(other) => return Err(KernelspecError::InTheWay { name: name.clone(), path: other.path }),
        None => directory.join(name.as_str()),
    };
    fs::create_dir_all(&path).map_err(failed("create the directory", &path))?;
    replace_logos(spec.logos.as_deref(), &path)?;
    let text = format!("{:#}\n", spec.to_json());
    write(&path.join("kernel.json"), text.as_bytes())?;
    Ok(path)
}

/// The logos of the kernelspec in one directory become those of the one in another.
fn replace_logos(from: Option<&Path>, to: &Path) -> Result<(), KernelspecError> {
    for logo in logos(to) {
        fs::remove_file(&logo).map_err(failed("remove", &logo))?;
    }
    for logo in from.map(logos).unwrap_or_default() {
        let bytes = fs::read(&logo).map_err(failed("read", &logo))?;
        let name = logo.file_name().unwrap_or_default();
        write(&to.join(name), &bytes)?;
    }
    Ok(())
}

/// The logos in a kernelspec's directory: `logo-64x64.png`, `logo-svg.svg` and their like.
///
/// Source: jupyter_client's documentation, "Kernel specs".
fn logos(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| is_logo(path) && path.is_file()).collect()
}

fn is_logo(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("logo-") && (name.ends_with(".png") || name.ends_with(".svg"))
}

/// Writes a file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), KernelspecError> {
    let directory = path.parent().unwrap_or(path);
    let write = || -> io::Result<()> {
        let mut file =
            Builder::new().permissions(fs::Permissions::from_mode(PUBLIC)).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(failed("write", path))
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KernelspecError {
    move |cause| KernelspecError::Io { action, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use crate::runtimes::{Runtime, read_kernelspec};

    use super::*;

    fn spec(group: Option<&str>, logos: Option<&Path>) -> FleetKernelspec {
        let logos = logos.map(Path::to_owned);
        FleetKernelspec {
            logos,
            ..FleetKernelspec::new(&Runtime::builtin_lua(), group, false, Path::new("/f"))
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_kernelspec_has_its_runtimes_logos_and_nothing_else_of_it() {
        let root = TempDir::new().unwrap();
        for name in ["logo-64x64.png", "logo-svg.svg", "kernel.js", "kernel.json", "logo-script.js"] {
            fs::write(root.path().join(name), name).unwrap();
        }
        let kernels = root.path().join("a/kernels");
        let name = "fleet-lua".parse().unwrap();
        let path = install(&spec(None, Some(root.path())), &name, &kernels).unwrap();
        assert_eq!(path, kernels.join("fleet-lua"));
        assert_eq!(names(&path), ["kernel.json", "logo-64x64.png", "logo-svg.svg"]);
        assert_eq!(fs::read(path.join("logo-svg.svg")).unwrap(), b"logo-svg.svg");
        assert_ne!(fs::metadata(path.join("kernel.json")).unwrap().permissions().mode() & 0o044, 0);
    }

    #[test]
    fn ours_is_replaced_under_the_name_that_it_has() {
        let root = TempDir::new().unwrap();
        let name = "fleet-lua".parse().unwrap();
        let path = install(&spec(None, None), &name, root.path()).unwrap();
        let upper = root.path().join("Fleet-Lua");
        fs::write(path.join("logo-64x64.png"), "old").unwrap();
        fs::rename(&path, &upper).unwrap();
        assert_eq!(install(&spec(Some("b"), None), &name, root.path()).unwrap(), upper);
        assert_eq!(names(root.path()), ["Fleet-Lua"]);
        assert_eq!(names(&upper), ["kernel.json"]);
        assert_eq!(read_kernelspec(&upper).unwrap().fleet.unwrap().group.as_deref(), Some("b"));
    }

    #[test]
    fn somebody_elses_stays_and_the_error_says_what_to_do() {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("theirs")).unwrap();
        fs::write(root.path().join("theirs/kernel.json"), "{").unwrap();
        let error = install(&spec(None, None), &"theirs".parse().unwrap(), root.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--name") && text.contains("jupyter kernelspec remove theirs"), "{text}");
        assert_eq!(fs::read(root.path().join("theirs/kernel.json")).unwrap(), b"{");
    }

    #[test]
    fn an_error_names_the_file_and_what_was_tried() {
        let root = TempDir::new().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = install(&spec(None, None), &"a".parse().unwrap(), &root.path().join("file")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create the directory "), "{error}");
    }
}
