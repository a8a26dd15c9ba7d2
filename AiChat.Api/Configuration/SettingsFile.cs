using AiChat.Core.Configuration;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.FileProviders;

namespace AiChat.Api.Configuration;

/// <summary>A JSON file of settings that may be missing and is watched.</summary>
internal sealed class SettingsFile : JsonConfigurationSource
{
    public SettingsFile(string folder)
    {
        // Looked at every few seconds: being told of changes means being told of every write to a database in the same folder.
        FileProvider = new PhysicalFileProvider(folder) { UsePollingFileWatcher = true, UseActivePolling = true };
        Path = Name;
        Optional = true;
        ReloadOnChange = true;
    }

    public const string Name = "appsettings.json";

    public override IConfigurationProvider Build(IConfigurationBuilder builder)
    {
        EnsureDefaults(builder);
        return new Provider(this);
    }

    /// <summary>A file that becomes unreadable keeps the settings it had.</summary>
    internal sealed class Provider(SettingsFile file) : JsonConfigurationProvider(file)
    {
        private bool isLoaded;

        /// <summary>Why the file as it is now cannot be read; null when it can.</summary>
        public string? Problem { get; private set; }

        /// <summary>At the start; a file that cannot be read then is refused.</summary>
        public override void Load()
        {
            base.Load();
            isLoaded = true;
        }

        public override void Load(Stream stream)
        {
            try
            {
                base.Load(stream);
                Problem = null;
            }
            catch (FormatException failure) when (isLoaded)
            {
                Problem = $"{Source.FileProvider!.GetFileInfo(Name).PhysicalPath} is not valid JSON: {failure.InnerException?.Message ?? failure.Message}";
            }
        }
    }
}

/// <summary>Refuses a change of the configuration as long as a file of it cannot be read.</summary>
internal sealed class SettingsFileCheck(IConfiguration configuration) : IReloadable
{
    public Action Prepare(ICollection<string> problems)
    {
        foreach (var file in ((IConfigurationRoot)configuration).Providers.OfType<SettingsFile.Provider>())
        {
            if (file.Problem is { } problem)
                problems.Add(problem);
        }

        return () => { };
    }
}
