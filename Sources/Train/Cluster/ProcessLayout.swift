/// This process's place among those that were started together, as launchers set it in the environment.
public struct ProcessLayout: Sendable, Equatable {
    /// This process's rank, from 0.
    public var rank: Int
    /// Number of processes.
    public var size: Int
    /// This process's number on its machine, from 0: the index of its GPU.
    public var localRank: Int
    /// The host of the rendezvous.
    public var host: String
    /// The port of the rendezvous.
    public var port: Int
    /// Whether a launcher serves the store; otherwise rank 0 does.
    public var launcherServes = false
    /// Number of times the launcher has restarted the processes.
    public var attempt = 0

    /// Makes a layout.
    public init(rank: Int, size: Int, localRank: Int, host: String, port: Int) {
        self.rank = rank
        self.size = size
        self.localRank = localRank
        self.host = host
        self.port = port
    }

    /// Reads the layout from the environment.
    ///
    /// Supported are `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR` and `MASTER_PORT` (torchrun, Kubernetes'
    /// PyTorchJob, a ``Launcher``, or set by hand), the variables of Slurm's `srun`, and those of Open MPI's `mpirun`.
    ///
    /// - Parameter environment: The process's environment.
    /// - Returns: The layout, or `nil` for a single process.
    /// - Throws: ``ClusterError`` that names the missing or unsuitable variable.
    public static func current(environment: [String: String]) throws -> ProcessLayout? {
        let variables = EnvironmentReader(environment)
        var layout: ProcessLayout
        if environment["RANK"] != nil || environment["WORLD_SIZE"] != nil {
            layout = try fromRankVariables(variables)
        } else if environment["SLURM_STEP_NUM_TASKS"] != nil, environment["SLURM_PROCID"] != nil {
            layout = try fromSlurm(variables)
        } else if environment["OMPI_COMM_WORLD_SIZE"] != nil {
            layout = try fromOpenMPI(variables)
        } else {
            return nil
        }
        guard layout.rank < layout.size else {
            throw ClusterError.badRank(layout.rank, size: layout.size)
        }
        layout.launcherServes = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
        layout.attempt = try variables.number("TORCHELASTIC_RESTART_COUNT", default: 0)
        return layout.size == 1 ? nil : layout
    }

    private static func fromRankVariables(_ variables: EnvironmentReader) throws -> ProcessLayout {
        let size = try variables.number("WORLD_SIZE")
        let rank = try variables.number("RANK")
        // A single process needs no rendezvous.
        guard size != 1 else { return ProcessLayout(rank: rank, size: 1, localRank: 0, host: "", port: 0) }
        return ProcessLayout(
            rank: rank, size: size, localRank: try variables.number("LOCAL_RANK"),
            host: try variables.text("MASTER_ADDR"), port: try variables.number("MASTER_PORT"))
    }

    /// Reads Slurm's variables: `srun` starts each process of a step with its number; all meet at the step's first
    /// machine.
    private static func fromSlurm(_ variables: EnvironmentReader) throws -> ProcessLayout {
        let nodes = try variables.text("SLURM_STEP_NODELIST")
        guard let first = firstSlurmNode(nodes) else {
            throw ClusterError.badVariable("SLURM_STEP_NODELIST", value: nodes, expected: "the name of a machine")
        }
        // Jobs on the same machine meet at different ports.
        let job = try variables.number("SLURM_JOB_ID", default: 0)
        return ProcessLayout(
            rank: try variables.number("SLURM_PROCID"), size: try variables.number("SLURM_STEP_NUM_TASKS"),
            localRank: try variables.number("SLURM_LOCALID"), host: variables.text("MASTER_ADDR", default: first),
            port: try variables.number("MASTER_PORT", default: 15_000 + job % 15_000))
    }

    private static func fromOpenMPI(_ variables: EnvironmentReader) throws -> ProcessLayout {
        let size = try variables.number("OMPI_COMM_WORLD_SIZE")
        let isOneMachine = try variables.number("OMPI_COMM_WORLD_LOCAL_SIZE", default: 0) == size
        return ProcessLayout(
            rank: try variables.number("OMPI_COMM_WORLD_RANK"), size: size,
            localRank: try variables.number("OMPI_COMM_WORLD_LOCAL_RANK"),
            host: isOneMachine
                ? variables.text("MASTER_ADDR", default: "127.0.0.1") : try variables.text("MASTER_ADDR"),
            port: try variables.number("MASTER_PORT", default: 29_500))
    }
}

/// Reads variables, with errors that name them.
private struct EnvironmentReader {
    let environment: [String: String]

    init(_ environment: [String: String]) { self.environment = environment }

    func text(_ name: String) throws -> String {
        guard let text = environment[name], !text.isEmpty else {
            throw ClusterError.missingVariable(name)
        }
        return text
    }

    func text(_ name: String, default other: String) -> String {
        guard let text = environment[name], !text.isEmpty else { return other }
        return text
    }

    func number(_ name: String) throws -> Int {
        let text = try text(name)
        guard let number = Int(text), number >= 0 else {
            throw ClusterError.badVariable(name, value: text, expected: "a number from 0")
        }
        return number
    }

    func number(_ name: String, default other: Int) throws -> Int {
        environment[name] == nil ? other : try number(name)
    }
}

/// Returns the first machine of a list such as `gpu[003-010,12],login1`: here `gpu003`.
func firstSlurmNode(_ list: String) -> String? {
    let characters = list.prefix { $0 != "," }
    guard let bracket = characters.firstIndex(of: "[") else {
        return characters.isEmpty || characters.contains("]") ? nil : String(characters)
    }
    let number = list[list.index(after: bracket)...].prefix { $0.isNumber }
    return number.isEmpty ? nil : String(characters[..<bracket]) + number
}
