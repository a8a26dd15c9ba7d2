using System.Text.Json;
using AiChat.Api.Json;
using AiChat.Core;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace AiChat.Api.OpenApi;

/// <summary>How contracts look as JSON where our converters write something else than the type's properties.</summary>
internal sealed class ContractTypeResolver : ISerializerDataContractResolver
{
    private readonly JsonSerializerDataContractResolver inner = new(JsonSetup.Options);

    public DataContract GetDataContractForType(Type type)
    {
        if (type.IsConstructedGenericType && type.GetGenericTypeDefinition() == typeof(Optional<>))
            return GetDataContractForType(type.GenericTypeArguments[0]);

        var plain = Nullable.GetUnderlyingType(type) ?? type;
        return plain == typeof(RawJson) || plain == typeof(JsonElement)
            ? DataContract.ForDictionary(type, typeof(object))
            : inner.GetDataContractForType(type);
    }
}
