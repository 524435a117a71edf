import Foundation
import Synchronization
import W2VInterchange

extension Console {
    private static let told = Mutex<Set<String>>([])

    /// Reports on standard error what a checkpoint holds, lacks or contradicts; each note once, and by one process of
    /// several.
    ///
    /// Every command that opens a checkpoint calls this.
    ///
    /// - Parameters:
    ///   - notes: The checkpoint's notes.
    ///   - path: The checkpoint's path on the command line.
    ///   - usesLanguageModel: Whether a language model was given, so that a note about the checkpoint's own is
    ///     unnecessary.
    static func notes(_ notes: [CheckpointNote], of path: String, usesLanguageModel: Bool = false) {
        guard (rank ?? 0) == 0 else { return }
        for note in notes where !(usesLanguageModel && note.subject == .languageModel) {
            let line = "\(path): \(note.phrase)."
            guard told.withLock({ $0.insert(line).inserted }) else { continue }
            log.log(
                level: note.subject == .languageModel ? .notice : .warning, "\(line)", metadata: ["file": "\(path)"])
        }
    }
}
