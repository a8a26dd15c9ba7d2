using Microsoft.Extensions.Options;

namespace AiChat.Core.Configuration;

/// <summary>Reads options from the configuration as it is now; what <see cref="IOptions{TOptions}"/> gives is from the start.</summary>
public sealed class OptionsReader<TOptions>(IEnumerable<IConfigureOptions<TOptions>> setups, IEnumerable<IPostConfigureOptions<TOptions>> postSetups)
    where TOptions : class
{
    /// <summary>As they are, even when they are wrong.</summary>
    /// <exception cref="InvalidOperationException">A value has the wrong type.</exception>
    public TOptions Read() => new OptionsFactory<TOptions>(setups, postSetups).Create(Options.DefaultName);

    /// <summary>Null when a value has the wrong type; everything that is wrong is added to the problems.</summary>
    public TOptions? Read(IValidateOptions<TOptions> validator, ICollection<string> problems)
    {
        try
        {
            var options = Read();
            foreach (var problem in validator.Validate(Options.DefaultName, options).Failures ?? [])
                problems.Add(problem);
            return options;
        }
        catch (InvalidOperationException unreadable)
        {
            problems.Add($"{unreadable.Message} Write a value of that type.");
            return null;
        }
    }
}
