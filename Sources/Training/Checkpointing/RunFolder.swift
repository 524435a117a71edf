import Foundation
import Torch

/// The folder of a run: `last/` and `best/`, the resolved recipe and the log.
///
/// A checkpoint's folder is written beside its place, synced, and exchanged with the old one by renaming; whatever moment
/// the program is killed at, either the old or the new one is whole, and ``recover()`` puts it in its place.
struct RunFolder {
    /// Where the run lives.
    let url: URL

    var last: URL { url.appendingPathComponent("last", isDirectory: true) }
    var best: URL { url.appendingPathComponent("best", isDirectory: true) }
    var recipe: URL { url.appendingPathComponent("recipe.yaml") }

    private func new(_ name: String) -> URL { url.appendingPathComponent(".\(name).new", isDirectory: true) }
    private func old(_ name: String) -> URL { url.appendingPathComponent(".\(name).old", isDirectory: true) }

    /// Makes the folder, and puts right what an interrupted save left.
    ///
    /// - Parameter resumes: Whether a run in it is to be gone on with.
    /// - Returns: Whether there is a state to go on from.
    /// - Throws: ``TrainingError`` for a folder in use when `resumes` is false.
    func prepare(resumes: Bool) throws -> Bool {
        let manager = FileManager.default
        do {
            try manager.createDirectory(at: url, withIntermediateDirectories: true)
            if !resumes, try !manager.contentsOfDirectory(atPath: url.path).isEmpty {
                throw TrainingError.outputNotEmpty(folder: url.path)
            }
            try recover()
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.cannotSave(folder: url.path, reason: error.localizedDescription)
        }
        return manager.fileExists(atPath: last.path)
    }

    /// Finishes or undoes what a kill interrupted.
    func recover() throws {
        let manager = FileManager.default
        for name in ["last", "best"] {
            let place = url.appendingPathComponent(name, isDirectory: true)
            let (new, old) = (new(name), old(name))
            if manager.fileExists(atPath: old.path), !manager.fileExists(atPath: place.path) {
                // The old one is moved aside only when the new one is whole.
                let whole = manager.fileExists(atPath: new.path) ? new : old
                try manager.moveItem(at: whole, to: place)
            }
            for leftover in [new, old] where manager.fileExists(atPath: leftover.path) {
                try manager.removeItem(at: leftover)
            }
        }
    }

    /// Replaces a checkpoint's folder by a new one.
    ///
    /// - Parameters:
    ///   - name: `last` or `best`.
    ///   - write: Fills the new folder; if it throws, the old one stays.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:)``.
    func replace(_ name: String, _ write: (URL) throws -> Void) throws {
        let manager = FileManager.default
        let place = url.appendingPathComponent(name, isDirectory: true)
        let (new, old) = (new(name), old(name))
        do {
            try? manager.removeItem(at: new)
            try manager.createDirectory(at: new, withIntermediateDirectories: false)
            try write(new)
            if manager.fileExists(atPath: place.path) { try manager.moveItem(at: place, to: old) }
            try manager.moveItem(at: new, to: place)
            try sync()
            try? manager.removeItem(at: old)
        } catch {
            try? manager.removeItem(at: new)
            if !manager.fileExists(atPath: place.path) { try? manager.moveItem(at: old, to: place) }
            let reason = (error as? FileWriteError)?.description ?? error.localizedDescription
            throw TrainingError.cannotSave(folder: place.path, reason: reason)
        }
    }

    private func sync() throws {
        let handle = open(url.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
}
