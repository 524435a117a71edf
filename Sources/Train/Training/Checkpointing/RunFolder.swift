import Foundation
import W2VBase
import W2VInterchange
import W2VTorch

/// The folder of a run: `last/`, `best/` and kept checkpoints (`update-500/`), the resolved recipe and the logs.
///
/// A checkpoint's folder is written under a temporary name, synced, and swapped with the old one atomically, so that
/// there is always a complete one of that name. A file system that cannot swap takes two steps: if the program is
/// killed between them, either the old or the new folder is complete, and ``recover()`` puts it in place. Files in a
/// checkpoint are never modified, so a kept checkpoint and `last/` can share them.
struct RunFolder {
    /// The run's folder.
    let url: URL
    /// Swaps two folders atomically, and returns whether the file system supports it.
    var exchange: @Sendable (URL, URL) throws -> Bool = AtomicFolder.exchange

    var last: URL { url.appendingPathComponent("last", isDirectory: true) }
    var best: URL { url.appendingPathComponent("best", isDirectory: true) }
    var recipe: URL { url.appendingPathComponent("recipe.yaml") }

    /// A file that exists from a run's start until its first state is saved.
    private var begun: URL { url.appendingPathComponent(".begun") }

    private func new(_ name: String) -> URL { url.appendingPathComponent(".\(name).new", isDirectory: true) }
    private func old(_ name: String) -> URL { url.appendingPathComponent(".\(name).old", isDirectory: true) }

    /// The folder of the last complete state, or `nil`; nothing is changed.
    ///
    /// After an interrupted save it is where ``recover()`` would take it from.
    var newestState: URL? {
        [last, new("last"), old("last")].first { folder in
            guard FileManager.default.fileExists(atPath: folder.path) else { return false }
            // The new one is complete only if the old one has been moved aside.
            return folder.lastPathComponent != ".last.new" || FileManager.default.fileExists(atPath: old("last").path)
        }
    }

    /// Reads a state to resume from.
    ///
    /// - Parameter place: The state's folder.
    /// - Returns: Its weights, still on disk, and its training state.
    /// - Throws: The problem with the state, with the advice to use an older one if one is kept.
    func read(_ place: URL) throws -> (weights: Checkpoint, state: TrainingState) {
        do {
            return (try Checkpoint.read(place), try TrainingState.read(place))
        } catch {
            guard let older = kept().last(where: { (try? Checkpoint.read($0.url)) != nil }) else { throw error }
            var reason = (error as? any ExplainedError)?.problem ?? "\(error)"
            if case TrainingError.damagedState(_, let known, _) = error { reason = known }
            throw TrainingError.damagedState(
                path: place.path, reason: "\(reason); \(older.url.lastPathComponent) was kept",
                advice: "remove \(place.lastPathComponent) and rename it to last to resume from there")
        }
    }

    /// Refuses a folder that holds a run.
    ///
    /// The messages of one that was refused before it began are no run.
    ///
    /// - Throws: ``TrainingError/outputNotEmpty(folder:)``.
    func requireEmpty() throws {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        guard Set(names).isSubset(of: [begun.lastPathComponent, RunMessages.name]) else {
            throw TrainingError.outputNotEmpty(folder: url.path)
        }
    }

    /// Refuses to start a run in a folder where an earlier one has saved something, but whose last state is gone.
    ///
    /// A run that ended before it had saved anything may be restarted.
    ///
    /// - Throws: ``TrainingError/lastIsGone(folder:kept:found:)``.
    func requireNothingSaved() throws {
        let manager = FileManager.default
        if let newest = kept().last {
            throw TrainingError.lastIsGone(folder: url.path, kept: newest.url.lastPathComponent, found: "")
        }
        var found = manager.fileExists(atPath: best.path) ? [best.lastPathComponent] : []
        let metrics = url.appendingPathComponent(TrainingLog.name)
        let size = (try? manager.attributesOfItem(atPath: metrics.path))?[.size] as? NSNumber
        if !manager.fileExists(atPath: begun.path), (size?.intValue ?? 0) > 0 { found.append(TrainingLog.name) }
        guard found.isEmpty else {
            throw TrainingError.lastIsGone(folder: url.path, kept: nil, found: found.joined(separator: " and "))
        }
    }

    /// Creates the folder, and repairs the effects of an interrupted save.
    ///
    /// - Parameter resumes: Whether a run in it may be continued.
    /// - Returns: Whether there is a state to resume from.
    /// - Throws: ``TrainingError`` for a folder that holds a run when `resumes` is false, and for one whose last state
    ///   is gone.
    func prepare(resumes: Bool) throws -> Bool {
        let manager = FileManager.default
        do {
            try manager.createDirectory(at: url, withIntermediateDirectories: true)
            if !resumes { try requireEmpty() }
            try recover()
            if !manager.fileExists(atPath: last.path) {
                try requireNothingSaved()
                try Data().write(to: begun)
                return false
            }
            // The run may have been killed between the first save and this.
            try? manager.removeItem(at: begun)
            return true
        } catch let error as TrainingError {
            throw error
        } catch {
            throw TrainingError.cannotWrite(file: url.path, reason: systemReason(error))
        }
    }

    /// Completes or undoes a save that a kill interrupted.
    func recover() throws {
        let manager = FileManager.default
        let hidden = try manager.contentsOfDirectory(atPath: url.path)
        // Leftovers of the recipe and the log.
        AtomicFile.removeLeftovers(in: url)
        let names = Set(
            hidden.compactMap { file -> String? in
                guard file.hasPrefix("."), file.hasSuffix(".new") || file.hasSuffix(".old") else { return nil }
                let name = String(file.dropFirst().dropLast(4))
                return name == "last" || name == "best" || Self.update(of: name) != nil ? name : nil
            })
        for name in names {
            let place = url.appendingPathComponent(name, isDirectory: true)
            let (new, old) = (new(name), old(name))
            // Only these two are ever replaced: the old one is moved aside when the new one is complete. A kept
            // checkpoint that was moved aside was being removed.
            let isReplaced = name == "last" || name == "best"
            if isReplaced, manager.fileExists(atPath: old.path), !manager.fileExists(atPath: place.path) {
                let whole = manager.fileExists(atPath: new.path) ? new : old
                try AtomicFolder.move(whole, to: place)
            }
            for leftover in [new, old] { try clear(leftover) }
        }
    }

    /// Replaces a checkpoint's folder by a new one atomically.
    ///
    /// - Parameters:
    ///   - name: `last` or `best`.
    ///   - write: Fills the new folder; if it throws, the old one stays.
    /// - Returns: A warning if the old one could not be removed; the new one is complete and in place.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``; `TorchError.communication` if `write` throws it.
    @discardableResult
    func replace(_ name: String, _ write: (URL) throws -> Void) throws -> [String] {
        let manager = FileManager.default
        let place = url.appendingPathComponent(name, isDirectory: true)
        let (new, old) = (new(name), old(name))
        do {
            try clear(new)
            // Without `last/` the old one is the only copy.
            if manager.fileExists(atPath: place.path) { try clear(old) }
            try manager.createDirectory(at: new, withIntermediateDirectories: false)
            try write(new)
            // If this takes two steps, there is briefly no folder of that name: `recover()` repairs the effect of a
            // kill at that moment.
            let replaced = try AtomicFolder.put(new, in: place, aside: old, exchange: exchange)
            if name == "last" { try? manager.removeItem(at: begun) }
            guard let replaced else { return [] }
            do {
                try manager.removeItem(at: replaced)
                return []
            } catch {
                return [
                    "\(replaced.path), the state before this one, cannot be removed (\(systemReason(error))): the next save will "
                        + "fail unless it is removed by then"
                ]
            }
        } catch {
            try? manager.removeItem(at: new)
            // A process that is gone while sending its part is not the disk's fault.
            if case TorchError.communication = error { throw error }
            let intact = [place, last].first { manager.fileExists(atPath: $0.path) }?.path
            throw TrainingError.cannotSave(folder: place.path, reason: systemReason(error), intact: intact)
        }
    }

    /// Removes leftovers of an earlier save.
    ///
    /// - Throws: `FileWriteError` with the system's reason.
    private func clear(_ leftover: URL) throws {
        guard FileManager.default.fileExists(atPath: leftover.path) else { return }
        do {
            try FileManager.default.removeItem(at: leftover)
        } catch {
            throw FileWriteError.failed(path: leftover.path, step: "remove", reason: systemReason(error))
        }
    }

    // MARK: Kept checkpoints

    /// Returns the kept checkpoints by ascending update; folders without a training state are not ours.
    func kept() -> [(update: Int, state: TrainingState, url: URL)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.compactMap { name in
            let folder = url.appendingPathComponent(name, isDirectory: true)
            guard let update = Self.update(of: name), let state = try? TrainingState.read(folder) else { return nil }
            return (update, state, folder)
        }.sorted { $0.update < $1.update }
    }

    /// Keeps `last/` under its update's name too; the files are shared, so it takes no extra space.
    ///
    /// - Parameter update: The update that `last/` was saved after.
    /// - Throws: ``TrainingError/cannotSave(folder:reason:intact:)``.
    func keepLast(update: Int) throws {
        let name = "update-\(update)"
        let place = url.appendingPathComponent(name, isDirectory: true)
        let manager = FileManager.default
        guard !manager.fileExists(atPath: place.path) else { return }
        let new = new(name)
        do {
            try? manager.removeItem(at: new)
            try manager.createDirectory(at: new, withIntermediateDirectories: false)
            for file in try manager.contentsOfDirectory(atPath: last.path) {
                let (source, target) = (last.appendingPathComponent(file), new.appendingPathComponent(file))
                do {
                    try manager.linkItem(at: source, to: target)
                } catch {
                    // Some file systems do not support hard links.
                    let content = try MappedFile(path: source.path)
                    try AtomicFile.write(to: target) { try $0.append(content.bytes) }
                }
            }
            try AtomicFolder.synchronize(new.path)
            try AtomicFolder.move(new, to: place)
        } catch {
            try? manager.removeItem(at: new)
            throw TrainingError.cannotSave(folder: place.path, reason: systemReason(error), intact: last.path)
        }
    }

    /// Removes kept checkpoints.
    ///
    /// - Parameter isWanted: Returns whether a checkpoint stays.
    /// - Returns: A warning for each one that could not be removed, which need not stop training.
    func removeKept(unless isWanted: (_ update: Int, _ state: TrainingState) -> Bool) -> [String] {
        kept().filter { !isWanted($0.update, $0.state) }.compactMap { checkpoint in
            // Moved aside first: a kill must not leave half a checkpoint under its name.
            let aside = old("update-\(checkpoint.update)")
            do {
                try clear(aside)
                try AtomicFolder.move(checkpoint.url, to: aside)
                try FileManager.default.removeItem(at: aside)
                return nil
            } catch {
                return
                    "\(checkpoint.url.path) is no longer wanted and cannot be removed (\(systemReason(error)))"
            }
        }
    }

    private static func update(of name: String) -> Int? {
        guard name.hasPrefix("update-") else { return nil }
        return Int(name.dropFirst("update-".count))
    }
}

/// Returns the newest states of a training folder, newest first.
///
/// - Parameters:
///   - folder: The training folder.
///   - count: Number of states.
/// - Returns: The states' folders; `last/` is left out if it is also kept under its update's name.
/// - Throws: ``TrainingError/tooFewStates(folder:found:wanted:)``.
public func newestStates(of folder: URL, count: Int) throws -> [URL] {
    let run = RunFolder(url: folder)
    var states = run.kept().map { (update: $0.update, url: $0.url) }
    if let last = try? TrainingState.read(run.last), !states.contains(where: { $0.update == last.update }) {
        states.append((last.update, run.last))
    }
    guard states.count >= count else {
        throw TrainingError.tooFewStates(
            folder: folder.path, found: states.map(\.url.lastPathComponent), wanted: count)
    }
    return states.sorted { $0.update > $1.update }.prefix(count).map(\.url)
}
