import CW2VLibTorch
import Foundation
import W2VBase

/// Which processes to start on this machine, and how they find each other.
public struct LaunchPlan: Sendable {
    /// The program.
    public var executable: URL
    /// Its arguments.
    public var arguments: [String]
    /// How many processes this machine runs.
    public var processes: Int
    /// How many machines take part.
    public var nodes = 1
    /// This machine's number, from 0.
    public var nodeRank = 0
    /// Where the machines meet: a name or address of machine 0.
    public var host = "127.0.0.1"
    /// The port of the rendezvous; 0 takes a free one, on a single machine.
    public var port = 0
    /// How often everything is started again after a failure.
    public var restarts = 0
    /// The arguments that a restart adds, so that the run continues from its last checkpoint.
    public var resumeArguments: [String] = []
    /// Whether the lines of ranks above 0 begin with their rank: not those that say it themselves, as JSON does.
    public var namesRanks = true
    /// Where every process's output goes to, as `rank-N.log`; `nil` for the terminal alone.
    public var logFolder: URL?
    /// How long processes may take to end after one has failed, in seconds.
    public var grace = 30.0
    /// The longest wait for the other machines, in seconds.
    public var joinTimeout = 300.0

    /// Plans processes on one machine.
    ///
    /// - Parameters:
    ///   - executable: The program.
    ///   - arguments: Its arguments.
    ///   - processes: How many processes to start.
    public init(executable: URL, arguments: [String], processes: Int) {
        self.executable = executable
        self.arguments = arguments
        self.processes = processes
    }

    /// The environment of one process: the variables that torchrun sets, and its share of the cores.
    func environment(of localRank: Int, port: Int, attempt: Int) -> [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["RANK"] = String(nodeRank * processes + localRank)
        environment["WORLD_SIZE"] = String(nodes * processes)
        environment["LOCAL_RANK"] = String(localRank)
        environment["LOCAL_WORLD_SIZE"] = String(processes)
        environment["MASTER_ADDR"] = host
        environment["MASTER_PORT"] = String(port)
        environment["TORCHELASTIC_USE_AGENT_STORE"] = "True"
        environment["TORCHELASTIC_RESTART_COUNT"] = String(attempt)
        environment["WAV2VEC2_LAUNCHER"] = String(getpid())
        if environment["OMP_NUM_THREADS"] == nil {
            environment["OMP_NUM_THREADS"] = String(max(1, ProcessInfo.processInfo.activeProcessorCount / processes))
        }
        return environment
    }

    func arguments(attempt: Int) -> [String] {
        attempt == 0 ? arguments : arguments + resumeArguments.filter { !arguments.contains($0) }
    }
}

/// Ends this process when its launcher is gone, whatever ended that one: no process is left behind.
///
/// The process has its time to save, as after a signal. Does nothing for one that no ``Launcher`` started.
public func endWithLauncher() {
    guard let text = ProcessInfo.processInfo.environment["WAV2VEC2_LAUNCHER"], let launcher = Int32(text) else {
        return
    }
    // What reads this process's lines may be gone before it has saved.
    signal(SIGPIPE, SIG_IGN)
    // A launcher ignores it for itself, and passes that on; training has a handler of its own.
    signal(StopSignal.launcherEnded, SIG_DFL)
    ct_end_with_parent(StopSignal.launcherEnded)
    // It may have ended before the line above.
    if getppid() != launcher { exit(EXIT_FAILURE) }
}
