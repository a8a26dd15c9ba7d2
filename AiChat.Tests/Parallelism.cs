// Much of a test's time is waiting for other processes. Fixtures run beside each other; the tests of one follow each other and share its fields.
// Fixtures that listen to the whole process say that they must be alone.
[assembly: Parallelizable(ParallelScope.Fixtures)]
[assembly: LevelOfParallelism(4)]
