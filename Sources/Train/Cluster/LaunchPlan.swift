import CW2VLibTorch
import Foundation
import W2VBase

/// The processes to start on this machine, and how they find each other.
public struct LaunchPlan: Sendable {
    /// The program.
    public var executable: URL
    /// Its arguments.
    public var arguments: [String]
    /// Number of processes on this machine.
    public var processes: Int
    /// Number of machines.
    public var nodes = 1
    /// This machine's number, from 0.
    public var nodeRank = 0
    /// The machines' meeting point: a name or address of machine 0.
    public var host = "127.0.0.1"
    /// The port of the rendezvous; 0 takes a free one, for a single machine.
    public var port = 0
    /// Number of restarts after failures.
    public var restarts = 0
    /// Arguments added at a restart, so that the run continues from its last checkpoint.
    public var resumeArguments: [String] = []
    /// Whether the lines of ranks above 0 begin with their rank; false for lines that contain it, such as JSON.
    public var namesRanks = true
    /// The folder for each process's output, as `rank-N.log`; `nil` for the terminal only.
    public var logFolder: URL?
    /// Time that processes have to end after one has failed, in seconds.
    public var grace = 30.0
    /// Maximum wait for the other machines, in seconds.
    public var joinTimeout = 300.0

    /// Plans processes on one machine.
    ///
    /// - Parameters:
    ///   - executable: The program.
    ///   - arguments: Its arguments.
    ///   - processes: Number of processes.
    public init(executable: URL, arguments: [String], processes: Int) {
        self.executable = executable
        self.arguments = arguments
        self.processes = processes
    }

    /// Returns the environment of one process: the variables that torchrun sets, and its share of the cores.
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
        var processors = ProcessInfo.processInfo.activeProcessorCount / processes
        if environment[Self.processorsKey] == nil,
            let own = ProcessorPlaces().processors(of: localRank, of: processes)
        {
            environment[Self.processorsKey] = ProcessorPlaces.text(own)
            processors = own.count
        }
        if environment["OMP_NUM_THREADS"] == nil { environment["OMP_NUM_THREADS"] = String(max(1, processors)) }
        return environment
    }

    /// The variable with the processors of a process, such as `0-7,16-23`; users may set it to `all`.
    fileprivate static let processorsKey = "WAV2VEC2_PROCESSORS"

    func arguments(attempt: Int) -> [String] {
        attempt == 0 ? arguments : arguments + resumeArguments.filter { !arguments.contains($0) }
    }
}

/// Ends this process when its launcher is gone, for any reason, so that orphans do not remain.
///
/// The process has time to save, as after a signal. It also moves to the processors that the launcher chose for it.
/// Does nothing for a process that was not started by a ``Launcher``.
public func endWithLauncher() {
    guard let text = ProcessInfo.processInfo.environment["WAV2VEC2_LAUNCHER"], let launcher = Int32(text) else {
        return
    }
    // Before the first thread is started: threads inherit their processors.
    if let text = ProcessInfo.processInfo.environment[LaunchPlan.processorsKey], text != "all" {
        ProcessorPlaces.use(ProcessorPlaces.list(text))
    }
    // The reader of this process's output may be gone before the process has saved.
    signal(SIGPIPE, SIG_IGN)
    // A launcher ignores the signal for itself, and children inherit that; training installs its own handler.
    signal(StopSignal.launcherEnded, SIG_DFL)
    ct_end_with_parent(StopSignal.launcherEnded)
    // The launcher may have ended before the line above.
    if getppid() != launcher { exit(EXIT_FAILURE) }
}
