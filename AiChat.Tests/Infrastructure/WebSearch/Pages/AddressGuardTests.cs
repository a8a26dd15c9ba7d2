using System.Net;
using AiChat.Infrastructure.WebSearch.Pages;

namespace AiChat.Tests.Infrastructure.WebSearch.Pages;

public sealed class AddressGuardTests
{
    [TestCase("0.0.0.0")]
    [TestCase("0.255.255.255")]
    [TestCase("10.0.0.0")]
    [TestCase("10.255.255.255")]
    [TestCase("100.64.0.0")]
    [TestCase("100.100.100.200")]
    [TestCase("100.127.255.255")]
    [TestCase("127.0.0.1")]
    [TestCase("127.255.255.255")]
    [TestCase("168.63.129.16")]
    [TestCase("169.254.0.0")]
    [TestCase("169.254.169.254")]
    [TestCase("169.254.255.255")]
    [TestCase("172.16.0.0")]
    [TestCase("172.31.255.255")]
    [TestCase("192.0.0.0")]
    [TestCase("192.0.0.192")]
    [TestCase("192.0.0.255")]
    [TestCase("192.0.2.1")]
    [TestCase("192.88.99.1")]
    [TestCase("192.168.0.0")]
    [TestCase("192.168.255.255")]
    [TestCase("198.18.0.0")]
    [TestCase("198.19.255.255")]
    [TestCase("198.51.100.1")]
    [TestCase("203.0.113.1")]
    [TestCase("224.0.0.1")]
    [TestCase("239.255.255.255")]
    [TestCase("240.0.0.1")]
    [TestCase("255.255.255.255")]
    public void IsPublic_SpecialIPv4_IsFalse(string address)
    {
        Assert.That(AddressGuard.IsPublic(IPAddress.Parse(address)), Is.False);
    }

    [TestCase("::", Description = "unspecified")]
    [TestCase("::1", Description = "loopback")]
    [TestCase("::127.0.0.1", Description = "compatible, loopback")]
    [TestCase("::8.8.8.8", Description = "compatible, public")]
    [TestCase("::ffff:127.0.0.1", Description = "mapped, loopback")]
    [TestCase("::ffff:10.0.0.1", Description = "mapped, private")]
    [TestCase("::ffff:169.254.169.254", Description = "mapped, metadata")]
    [TestCase("::ffff:8.8.8.8", Description = "mapped, public")]
    [TestCase("::ffff:0:127.0.0.1", Description = "translated, loopback")]
    [TestCase("64:ff9b::127.0.0.1", Description = "NAT64, loopback")]
    [TestCase("64:ff9b::10.1.2.3", Description = "NAT64, private")]
    [TestCase("64:ff9b::169.254.169.254", Description = "NAT64, metadata")]
    [TestCase("64:ff9b:1::8.8.8.8", Description = "NAT64 of one network")]
    [TestCase("100::1", Description = "discard")]
    [TestCase("2001::1", Description = "Teredo")]
    [TestCase("2001:0:4136:e378:8000:63bf:3fff:fdd2", Description = "Teredo with an address")]
    [TestCase("2001:2::1", Description = "benchmark")]
    [TestCase("2001:10::1", Description = "ORCHID")]
    [TestCase("2001:20::1", Description = "ORCHIDv2")]
    [TestCase("2001:db8::1", Description = "documentation")]
    [TestCase("2002:7f00:1::", Description = "6to4, loopback")]
    [TestCase("2002:808:808::1", Description = "6to4, public")]
    [TestCase("3fff::1", Description = "new documentation")]
    [TestCase("5f00::1", Description = "segment routing")]
    [TestCase("fc00::1", Description = "unique-local")]
    [TestCase("fd00:ec2::254", Description = "unique-local, metadata")]
    [TestCase("fe80::1", Description = "link-local")]
    [TestCase("fe80::1%1", Description = "link-local with a zone")]
    [TestCase("febf::1", Description = "end of link-local")]
    [TestCase("fec0::1", Description = "site-local")]
    [TestCase("ff02::1", Description = "multicast")]
    public void IsPublic_SpecialIPv6_IsFalse(string address)
    {
        Assert.That(AddressGuard.IsPublic(IPAddress.Parse(address)), Is.False);
    }

    [TestCase("1.1.1.1")]
    [TestCase("8.8.8.8")]
    [TestCase("9.255.255.255")]
    [TestCase("11.0.0.0")]
    [TestCase("100.63.255.255")]
    [TestCase("100.128.0.0")]
    [TestCase("126.255.255.255")]
    [TestCase("128.0.0.0")]
    [TestCase("169.253.255.255")]
    [TestCase("169.255.0.0")]
    [TestCase("172.15.255.255")]
    [TestCase("172.32.0.0")]
    [TestCase("192.0.1.0")]
    [TestCase("192.167.255.255")]
    [TestCase("192.169.0.0")]
    [TestCase("198.17.255.255")]
    [TestCase("198.20.0.0")]
    [TestCase("223.255.255.255")]
    [TestCase("2606:4700:4700::1111")]
    [TestCase("2a00:1450:4001:81b::200e")]
    [TestCase("64:ff9b::8.8.8.8")]
    public void IsPublic_AddressOfTheInternet_IsTrue(string address)
    {
        Assert.That(AddressGuard.IsPublic(IPAddress.Parse(address)), Is.True);
    }
}
