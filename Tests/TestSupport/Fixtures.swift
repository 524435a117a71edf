import Foundation

/// Files of this repository that tests read.
public enum Repository {
    /// The repository's own folder.
    public static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What is committed for tests.
    public static let fixtures = root.appendingPathComponent("Tests/Fixtures")

    /// What the reference implementations computed.
    public static let golden = fixtures.appendingPathComponent("golden")

    /// Whether tests write their snapshots instead of comparing with them: `UPDATE_SNAPSHOTS=1`.
    public static let updatesSnapshots = ProcessInfo.processInfo.environment["UPDATE_SNAPSHOTS"] == "1"
}
