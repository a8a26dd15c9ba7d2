using System.ComponentModel.DataAnnotations;
using AiChat.Api.Chats;
using AiChat.Core.Chats;
using FluentValidation;
using Microsoft.AspNetCore.Mvc;

namespace AiChat.Api.Dialects;

/// <summary>Which part of a dialect's list of chats.</summary>
public sealed record ListQuery
{
    /// <summary>Most chats in the answer, 1 to 100.</summary>
    [FromQuery(Name = "limit"), Range(1, ChatLimits.MostChats)]
    public int? Limit { get; init; }

    /// <summary>Where the page begins, as the <c>Link</c> header of the page before says; left out for the first page.</summary>
    [FromQuery(Name = "cursor"), MaxLength(ChatLimits.LongestCursor)]
    public string? Cursor { get; init; }

    /// <summary>Whether the whole list is asked for.</summary>
    internal bool IsWhole => Limit is null && Cursor is null;
}

internal sealed class ListValidator : AbstractValidator<ListQuery>
{
    public ListValidator()
    {
        RuleFor(q => q.Limit).InclusiveBetween(1, ChatLimits.MostChats).WithMessage($"must be from 1 to {ChatLimits.MostChats}");
        RuleFor(q => q.Cursor).Must(c => ChatMapper.TryParseCursor(c, out _)).WithMessage("must be the cursor of an earlier answer's Link header");
    }
}

internal static class ListMapper
{
    /// <summary>Where the page begins; null for the first page. The query is valid.</summary>
    public static ChatCursor? ToCursor(this ListQuery query) => ChatMapper.TryParseCursor(query.Cursor, out var cursor) ? cursor : null;
}
