import Foundation

/// The recordings that a command line names, after the checkpoint.
public var recordings: [URL] { CommandLine.arguments.dropFirst(2).map { URL(filePath: $0) } }
